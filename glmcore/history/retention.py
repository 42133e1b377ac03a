"""Forgets conversations for good: those unused for long, and deleted ones that nobody brought back.

Pinned and rated conversations are kept whatever their age, unless somebody deleted them; one with an answer
that still runs is never touched. How many days count is a matter of the settings.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.core.settings import Settings
from glmcore.history.conversations import REMOVED_AT_ONCE, batches
from glmcore.history.schema import conversations, judgements, messages
from glmcore.history.search.find import SearchStore
from glmcore.history.search.index import remove_conversations
from glmcore.storage.database import Database

log = logging.getLogger("glmcore.history")

DAY = 24 * 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """After how many days what is removed; 0 keeps all."""

    history_days: float
    trash_days: float

    @classmethod
    def of(cls, settings: Settings) -> "RetentionRules":
        return cls(history_days=settings.history_days, trash_days=settings.trash_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlan:
    """What would be removed now.

    Attributes:
        ids: the conversations, of all owners, those unused for longest first.
        num_deleted: how many of them had been deleted.
        oldest: when the first of them was last used.
    """

    ids: Sequence[str]
    num_deleted: int
    oldest: float | None

    @property
    def count(self) -> int:
        return len(self.ids)


def retention_notes(settings: Settings) -> list[Note]:
    """What is kept for how long, in sentences."""
    notes = [Note(mark("Conversations are kept until somebody deletes them."))]
    if settings.history_days:
        text = mark(
            "Conversations unused for {days:g} days are removed for good; pinned and rated ones stay."
        )
        notes = [Note(text, {"days": settings.history_days})]
    if settings.trash_days:
        text = mark("Deleted ones can be brought back for {days:g} days.")
        return [*notes, Note(text, {"days": settings.trash_days})]
    return [*notes, Note(mark("Deleted ones can be brought back until they are removed by hand."))]


def plan(database: Database, rules: RetentionRules, now: float | None = None) -> RetentionPlan:
    """What `forget` would remove, without removing it."""
    table = conversations.c
    query = select(table.id, table.shelf, table.updated_at).where(_is_over(rules, now))
    with database.reading() as connection:
        rows = connection.execute(query.order_by(table.updated_at, table.id)).all()
    return RetentionPlan(
        ids=[row.id for row in rows],
        num_deleted=sum(row.shelf == "deleted" for row in rows),
        oldest=rows[0].updated_at if rows else None,
    )


def forget(database: Database, rules: RetentionRules, now: float | None = None) -> int:
    """Remove what the rules no longer keep, with all its messages; gives how many conversations that were.

    A few at a time, so that others write in between. What was used, pinned or rated since it was planned
    stays. SQLite's file does not shrink: the room is used by what comes next (VACUUM would lock everybody out
    for as long as it takes to copy the file).
    """
    removed = 0
    for some in batches(plan(database, rules, now).ids, REMOVED_AT_ONCE):
        still = select(conversations.c.id).where(conversations.c.id.in_(some), _is_over(rules, now))
        with database.writing() as connection:
            found = connection.execute(still).scalars().all()
            remove_conversations(connection, found)
            connection.execute(conversations.delete().where(conversations.c.id.in_(found)))
        removed += len(found)
    SearchStore(database).forget_removed()  # of those removed by hand as well
    return removed


def _is_over(rules: RetentionRules, now: float | None) -> ColumnElement[bool]:
    now = time.time() if now is None else now
    table = conversations.c
    rated = select(judgements.c.message_id).where(
        judgements.c.owner == table.owner, judgements.c.conversation_id == table.id
    )
    runs = select(messages.c.id).where(messages.c.conversation_id == table.id, messages.c.state == "running")
    since = now - rules.history_days * DAY
    # What was imported is not removed at once because it was old when it came.
    came_long_ago = func.coalesce(table.imported_at, 0) < since
    is_unused = and_(table.shelf != "deleted", table.updated_at < since, came_long_ago)
    is_old = and_(is_unused, table.is_pinned == 0, ~rated.exists())
    is_thrown_away = and_(table.shelf == "deleted", table.deleted_at < now - rules.trash_days * DAY)
    reasons = (is_old if rules.history_days else false(), is_thrown_away if rules.trash_days else false())
    return and_(or_(*reasons), ~runs.exists())


class RetentionClock:
    """A thread that forgets at once and then every day; several servers on one database do no harm."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, database: Database, rules: RetentionRules) -> None:
        work = (database, rules)
        self._thread = threading.Thread(target=self._work, args=work, name="retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _work(self, database: Database, rules: RetentionRules) -> None:
        while True:
            try:
                if count := forget(database, rules):
                    log.warning("%d conversations were removed for good: unused or deleted long ago", count)
            except GlmcoreError as error:
                log.error("%s", error)
            except Exception:  # a server without this thread would keep everything, and not say so
                log.exception("removing old conversations failed; it is tried again tomorrow")
            if self._ended.wait(DAY):
                return
