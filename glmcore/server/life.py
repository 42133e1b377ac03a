"""The life of a server process: what begins with it, and its end, which running answers see coming.

Asked to end, it first drains: what runs may finish for `drain_seconds`, nothing new begins, and pages are
still served, so that people see their answers end. What is left then is stored as interrupted.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from glmcore.core.errors import GlmcoreError
from glmcore.history.retention import RetentionClock, RetentionRules
from glmcore.server.readiness import Readiness, readiness
from glmcore.server.services import STORE_ANSWERS_SECONDS, Services
from glmcore.server.signals import ending_on_signals

log = logging.getLogger("glmcore")


class ServerLife:
    """Of one process; every member may be used from any thread."""

    def __init__(self, find_services: Callable[[], Services]) -> None:
        self._find_services = find_services
        self._retention = RetentionClock()
        self._ending = threading.Event()
        self._is_closed = False
        self._lock = threading.Lock()  # so that nothing begins behind the end's back

    def is_ending(self) -> bool:
        """Whether the server was asked to end; what follows something without end looks at this."""
        return self._ending.is_set()

    def readiness(self) -> Readiness:
        try:
            return readiness(self._find_services())
        except GlmcoreError as error:
            return Readiness(reason=str(error))

    def begin(self) -> None:
        """Start what works by itself: jobs, alerts, forgetting, the load of the first model."""
        with self._lock:
            shared = None if self._is_closed else self._services()
            if shared is None:
                return
            shared.curves.watch.start()
            shared.job_runner.start()
            self._retention.start(shared.history.database, RetentionRules.of(shared.settings))
            if shared.settings.preload:
                shared.models.start_loading(shared.settings.model)

    def drain(self) -> None:
        """Let running answers finish for a while, then interrupt and store them."""
        self._ending.set()
        if (shared := self._services()) is None:
            return
        if running := shared.answers.num_running():
            seconds = shared.settings.drain_seconds
            log.warning("asked to end: %d answers have %g s to finish", running, seconds)
        if left := shared.answers.drain(shared.settings.drain_seconds):
            log.warning("%d answers did not finish and are stored as they are", left)
        shared.answers.close(STORE_ANSWERS_SECONDS)

    def close(self) -> None:
        """Stop and store what runs, and give everything back."""
        self._ending.set()
        with self._lock:
            self._is_closed = True
            self._retention.close()
            if (shared := self._services()) is not None:
                shared.close()

    def _services(self) -> Services | None:
        try:
            return self._find_services()
        except GlmcoreError as error:
            log.error("%s", error)  # pages and API say it too
            return None


@asynccontextmanager
async def living(life: ServerLife, *, begin_after: float = 0.0) -> AsyncIterator[None]:
    """The lifespan of an ASGI application; what begins does so behind the open port."""

    async def begin() -> None:
        await asyncio.sleep(begin_after)
        await asyncio.to_thread(life.begin)

    beginning = asyncio.create_task(begin())
    try:
        with ending_on_signals(life.drain):
            yield
    finally:
        beginning.cancel()
        await asyncio.to_thread(life.close)
