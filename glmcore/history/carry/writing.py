"""Stores what was read from a file: whole conversations, in short transactions with others between."""

import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Table, select

from glmcore.core.errors import DataError
from glmcore.history.carry.known import Fate, Known
from glmcore.history.carry.reading import ImportPreview
from glmcore.history.carry.spool import Arrived
from glmcore.history.conversations import batches
from glmcore.history.records import Conversation, Judgement, StoredMessage
from glmcore.history.schema import conversations, judgements, messages, tags
from glmcore.history.search.index import SearchText, add_texts
from glmcore.history.store import HistoryStore
from glmcore.history.whole import WholeConversation


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of an import.

    Attributes:
        ids: of the conversations that are new.
        known: how many were here already.
        problems: how many were left out.
    """

    ids: tuple[str, ...]
    known: int
    problems: int

    @property
    def imported(self) -> int:
        return len(self.ids)


def carry_out(
    store: HistoryStore,
    owner: str,
    preview: ImportPreview,
    *,
    skip_problems: bool,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> ImportReport:
    """Store what is not here yet. Broken off in the middle it leaves whole conversations; run again, it
    adds the rest.

    Args:
        on_progress: told how many conversations are done.

    Raises:
        DataError: the file has problems, and they are not to be skipped.
        StorageError: the database refused; what was stored before stays.
    """
    if preview.num_problems and not skip_problems:
        raise DataError(
            "Nothing was imported: the file has {count:,} conversations that cannot be read. "
            "Correct them, or import without them.",
            count=preview.num_problems,
        )
    known = Known(owner)
    ids: list[str] = []
    done = 0
    for batch in preview.spool.batches():
        with store.database.writing() as connection:
            fates = known.fates(connection, batch)
            new = [(each, fate) for each, fate in zip(batch, fates, strict=True) if fate != "known"]
            stored = _store(connection, owner, new)
        ids += stored
        done += len(batch)
        on_progress(done)
    return ImportReport(tuple(ids), done - len(ids), preview.num_problems)


def _store(connection: Connection, owner: str, new: Sequence[tuple[Arrived, Fate]]) -> list[str]:
    """Add the conversations and give their ids."""
    rows: dict[Table, list[dict[str, Any]]] = {conversations: [], messages: [], tags: [], judgements: []}
    texts: list[SearchText] = []
    taken = _taken_ids(connection, new)
    for arrived, fate in new:
        whole = arrived.whole
        conversation_id = whole.conversation.id if fate == "keeps its id" else uuid.uuid4().hex
        ids = _message_ids(whole, fate, taken)
        depths = _depths(whole.messages)
        told = whole.conversation
        rows[conversations].append(
            {column.name: getattr(told, column.name) for column in fields(Conversation)}
            | {
                "id": conversation_id,
                "owner": owner,
                "is_pinned": int(told.is_pinned),
                "leaf_id": ids[told.leaf_id],
                "leaf_depth": depths[told.leaf_id],
                "fingerprint": arrived.fingerprint,
                "imported_at": time.time(),
            }
        )
        place = {"owner": owner, "conversation_id": conversation_id}
        for message in whole.messages:
            rows[messages].append(place | _message_row(message, ids, depths[message.id]))
        rows[tags] += [place | {"tag": tag} for tag in whole.tags]
        rows[judgements] += [place | _judgement_row(each, ids) for each in whole.judgements.values()]
        texts += _texts(owner, conversation_id, whole, ids)
    for table, values in rows.items():
        if values:
            connection.execute(table.insert(), values)
    add_texts(connection, texts)
    return [row["id"] for row in rows[conversations]]


def _message_ids(whole: WholeConversation, fate: Fate, taken: set[str]) -> dict[str | None, str | None]:
    """The ids that the messages will have, by those they had."""
    ids: dict[str | None, str | None] = {None: None}
    for message in whole.messages:
        is_kept = fate == "keeps its id" and message.id not in taken
        ids[message.id] = message.id if is_kept else uuid.uuid4().hex
        taken.add(message.id)
    return ids


def _taken_ids(connection: Connection, new: Iterable[tuple[Arrived, Fate]]) -> set[str]:
    wanted = [message.id for arrived, fate in new if arrived.has_own_id for message in arrived.whole.messages]
    taken: set[str] = set()
    for some in batches(wanted):
        taken.update(connection.execute(select(messages.c.id).where(messages.c.id.in_(some))).scalars())
    return taken


def _depths(said: Iterable[StoredMessage]) -> dict[str | None, int]:
    depths: dict[str | None, int] = {None: 0}
    for message in said:
        depths[message.id] = depths[message.parent_id] + 1
    return depths


def _message_row(message: StoredMessage, ids: dict[str | None, str | None], depth: int) -> dict[str, Any]:
    return {
        "id": ids[message.id],
        "parent_id": ids[message.parent_id],
        "depth": depth,
        "role": message.role,
        "state": message.state,
        "created_at": message.created_at,
        "saved_at": message.created_at,
        "facts": message.facts,
        "content": message.content,
    }


def _judgement_row(judgement: Judgement, ids: dict[str | None, str | None]) -> dict[str, Any]:
    row = {column.name: getattr(judgement, column.name) for column in fields(Judgement)}
    # Random, as for every first judgement: nobody shall take it for one that he saw before.
    version = secrets.randbelow(1 << 30) + 1
    judged_at = judgement.judged_at or time.time()
    return row | {"message_id": ids[judgement.message_id], "version": version, "judged_at": judged_at}


def _texts(
    owner: str, conversation_id: str, whole: WholeConversation, ids: dict[str | None, str | None]
) -> list[SearchText]:
    title = whole.conversation.title
    of_title = [SearchText(owner, conversation_id, None, title)] if title else []
    return of_title + [
        SearchText(owner, conversation_id, ids[message.id], message.content) for message in whole.messages
    ]
