"""The door: who a request comes from, whether he may, and whether it is his turn.

Counts in memory, so each server process counts by itself.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from glmcore.core.errors import BusyError, ConfigError, RefusedError, UnknownCallerError
from glmcore.keys.key import LOCAL_CALLER, Caller, Key, Right
from glmcore.keys.store import KeyStore

MINUTE = 60.0


class Admission:
    """May be used from any thread.

    Args:
        clock: gives seconds that never go back.
    """

    def __init__(self, keys: KeyStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._allowances: dict[str, _Allowance] = {}
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def identify(self, secret: str | None, *, is_local: bool) -> Caller:
        """Who has this secret; nobody needs one on this machine as long as no key was ever made.

        Raises:
            UnknownCallerError: a key is needed and is missing, wrong or revoked.
            RefusedError: there are no keys, and the request comes from another machine.
        """
        if secret is not None and (key := self._keys.find(secret)) is not None:
            self._keys.note_use(key)
            return Caller(key.user, key)
        if self._keys.any_made():
            raise _unknown()
        if not is_local:
            raise RefusedError(
                "This server has no API keys, so its API answers on localhost only; make one on its machine "
                "with `python -m glmcore keys make NAME`."
            )
        return LOCAL_CALLER

    def check_again(self, caller: Caller) -> None:
        """For what is answered for hours: whether who began it would still be let in.

        Raises:
            UnknownCallerError: his key was revoked; without one, a key was made.
        """
        key = caller.key
        may_stay = self._keys.is_valid(key.id) if key is not None else not self._keys.any_made()
        if not may_stay:
            raise _unknown()

    def admit(self, caller: Caller, right: Right) -> None:
        """Count a request of a caller who may make it.

        Raises:
            RefusedError: the key does not have the right.
            BusyError: the key's requests for this minute are used up.
        """
        if caller.key is None:
            return
        if not caller.may(right):
            raise RefusedError(
                "The key {name!r} may not be used for {right}; it may be for: {rights}.",
                name=caller.key.name,
                right=right.value,
                rights=", ".join(sorted(caller.key.rights)),
            )
        if caller.key.requests_per_minute:
            self._count(caller.key)

    @contextmanager
    def answering(self, caller: Caller, count: int = 1) -> Iterator[None]:
        """Hold the places of so many answers of a caller.

        Raises:
            BusyError: as many as the key allows are running.
            ConfigError: the key never allows as many.
        """
        key = caller.key
        if key is None:
            yield
            return
        self._take_places(key, count)
        try:
            yield
        finally:
            with self._lock:
                self._running[key.id] -= count

    def _take_places(self, key: Key, count: int) -> None:
        limit = key.answers_at_once
        if limit and count > limit:
            raise ConfigError(
                "The key {name!r} may have {limit} answers at once, and {count} are asked for; "
                "ask for fewer.",
                name=key.name,
                limit=limit,
                count=count,
            )
        with self._lock:
            running = self._running[key.id]
            if limit and running + count > limit:
                raise BusyError(
                    "The key {name!r} has {running} answers running and may have {limit} at once; "
                    "ask again in {seconds} s.",
                    name=key.name,
                    running=running,
                    limit=limit,
                    seconds=1,
                )
            self._running[key.id] = running + count

    def _count(self, key: Key) -> None:
        now = self._clock()
        with self._lock:
            allowance = self._allowances.get(key.id)
            if allowance is None:
                allowance = self._allowances[key.id] = _Allowance(key.requests_per_minute, now)
            wait = allowance.take(key.requests_per_minute, now)
        if wait > 0:
            raise BusyError(
                "The key {name!r} may make {limit} requests a minute; ask again in {seconds} s.",
                name=key.name,
                limit=key.requests_per_minute,
                seconds=int(wait) + 1,
            )


def _unknown() -> UnknownCallerError:
    return UnknownCallerError(
        "The API key is missing, wrong or revoked; send one as `Authorization: Bearer <key>`. "
        "`python -m glmcore keys make NAME` makes one."
    )


class _Allowance:
    """A token bucket: a minute's requests may come at once, then they come back evenly."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._left, self._at = float(per_minute), now

    def take(self, per_minute: int, now: float) -> float:
        """Take one; gives 0, or the seconds until there is one."""
        self._left = min(per_minute, self._left + (now - self._at) * per_minute / MINUTE)
        self._at = now
        if self._left < 1:
            return (1 - self._left) * MINUTE / per_minute
        self._left -= 1
        return 0.0
