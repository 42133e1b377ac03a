"""Keys in the database: made, found by their secret, revoked. A secret is shown once and never stored."""

import contextlib
import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, select

from glmcore.core.errors import DataError, GlmcoreError, NotFoundError
from glmcore.core.i18n import mark
from glmcore.core.messages import LOCAL_USER
from glmcore.keys.key import Key, Right
from glmcore.keys.schema import LEDGER, MIGRATIONS, api_keys
from glmcore.storage import Database, open_database

log = logging.getLogger(__name__)

SECRET_BEGINS = "glm-"  # so that a key that lies somewhere is known for what it is
SECRET_BYTES = 32
HINT_CHARS = 4
NAME_CHARS = 100
MOST = 1_000_000  # of a limit
USE_NOTED_EVERY_SECONDS = 60.0

_COLUMNS = [api_keys.c[field.name] for field in fields(Key)]


def open_keys(url: str) -> "KeyStore":
    """The keys in a database, made or migrated as needed. Raises as `history.open_history`."""
    return KeyStore(open_database(url, MIGRATIONS, LEDGER))


class KeyStore:
    """May be used from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[str, float] = {}  # key's id -> when its use was last written, or tried to be
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "key-use")  # starts its thread at the first use

    def close(self) -> None:
        self._writer.shutdown(cancel_futures=True)
        self._database.close()

    def make(
        self,
        name: str,
        *,
        user: str = LOCAL_USER,
        rights: AbstractSet[Right] = frozenset({Right.CHAT}),
        requests_per_minute: int = 0,
        answers_at_once: int = 0,
        stores_chats: bool = False,
    ) -> tuple[Key, str]:
        """Make a key; gives it with its secret, which nobody can be told again.

        Raises:
            DataError: a name is blank or too long, there is no right, or a limit is out of range.
        """
        secret = SECRET_BEGINS + secrets.token_urlsafe(SECRET_BYTES)
        if not rights:
            raise DataError(
                "The key has no right; give it at least one of: {rights}.", rights=", ".join(Right)
            )
        key = Key(
            id=secrets.token_hex(4),
            name=_checked(name, mark("name")),
            user=_checked(user, mark("user")),
            hint=secret[-HINT_CHARS:],
            rights=frozenset(rights),
            requests_per_minute=_limit(requests_per_minute, mark("requests a minute")),
            answers_at_once=_limit(answers_at_once, mark("answers at once")),
            stores_chats=stores_chats,
            created_at=time.time(),
        )
        values = {column.name: getattr(key, column.name) for column in _COLUMNS}
        values |= {"rights": " ".join(sorted(key.rights)), "secret_hash": _hash(secret)}
        with self._database.writing() as connection:
            connection.execute(api_keys.insert().values(values))
        return key, secret

    def list(self) -> "list[Key]":
        """All keys ever made, the newest first."""
        query = select(*_COLUMNS).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(query)]

    def any_made(self) -> bool:
        """Whether a key was ever made here; where all are revoked nobody gets in, rather than everybody."""
        with self._database.reading() as connection:
            return connection.execute(select(api_keys.c.id).limit(1)).first() is not None

    def find(self, secret: str) -> Key | None:
        """The key of a secret, unless it was revoked.

        How long the database looks tells at most how a hash begins, and no secret can be made to a hash.
        """
        query = select(*_COLUMNS).where(
            api_keys.c.secret_hash == _hash(secret), api_keys.c.revoked_at.is_(None)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return _key(row) if row is not None else None

    def is_valid(self, key_id: str) -> bool:
        """Whether there is such a key, and nobody has revoked it."""
        query = select(api_keys.c.id).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def note_use(self, key: Key) -> None:
        """Remember that a key is in use, once a minute at most.

        Written in the background: no request waits for a locked database, or fails with a full disk.
        """
        now = time.time()
        with self._lock:
            if now - max(key.last_used_at or 0.0, self._noted.get(key.id, 0.0)) < USE_NOTED_EVERY_SECONDS:
                return
            self._noted[key.id] = now
        with contextlib.suppress(RuntimeError):  # closed: the server ends
            self._writer.submit(self._write_use, key.id, now)

    def _write_use(self, key_id: str, now: float) -> None:
        change = api_keys.update().where(api_keys.c.id == key_id).values(last_used_at=now)
        try:
            with self._database.writing() as connection:
                connection.execute(change)
        except GlmcoreError as error:
            log.warning("that key %s was used is not stored: %s", key_id, error)

    def revoke(self, key_id: str) -> Key:
        """End a key for good; a second time changes nothing.

        Raises:
            NotFoundError: there is none with that id.
        """
        change = api_keys.update().where(api_keys.c.id == key_id)
        with self._database.writing() as connection:
            connection.execute(change.where(api_keys.c.revoked_at.is_(None)).values(revoked_at=time.time()))
            row = connection.execute(select(*_COLUMNS).where(api_keys.c.id == key_id)).first()
        if row is None:
            raise NotFoundError(
                "There is no key {id!r}; `python -m glmcore keys list` shows those there are.", id=key_id
            )
        return _key(row)


def _hash(secret: str) -> str:
    """Of 256 random bits a plain hash says nothing; a slow one would only make each request slow."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: Row[Any]) -> Key:
    values = dict(row._mapping)
    known = {right.value for right in Right}  # a newer version may know more
    values["rights"] = frozenset(Right(word) for word in values["rights"].split() if word in known)
    values["stores_chats"] = bool(values["stores_chats"])
    return Key(**values)


def _checked(text: str, what: str) -> str:
    text = " ".join(text.split())
    if not 0 < len(text) <= NAME_CHARS:
        raise DataError(
            "The {what} of the key has {count} characters; expected 1 to {limit}.",
            what=what,
            count=len(text),
            limit=NAME_CHARS,
        )
    return text


def _limit(value: int, what: str) -> int:
    if not 0 <= value <= MOST:
        raise DataError(
            "The limit of {what} is {value}; expected a whole number from 0 (no limit) to {most}.",
            what=what,
            value=value,
            most=MOST,
        )
    return value
