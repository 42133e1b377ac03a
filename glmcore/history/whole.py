"""Conversations with all that belongs to them, one after the other: for export, data sets and copies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, select

from glmcore.history import listing
from glmcore.history.filters import ConversationFilter, conditions
from glmcore.history.records import Conversation, Judgement, StoredMessage
from glmcore.history.schema import conversations, judgements, messages, tags
from glmcore.storage.database import Database

_MESSAGE = [messages.c[field.name] for field in fields(StoredMessage)]
_JUDGEMENT = [judgements.c[field.name] for field in fields(Judgement)]
_ORDER = conversations.c.created_at, conversations.c.id
_ROWS_AT_ONCE = 50
CHARACTERS_AT_ONCE = 16_000_000  # of several conversations; a longer one comes alone


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeConversation:
    """One conversation.

    Attributes:
        messages: the whole tree, in the order of creation.
        judgements: by the id of the answer.
    """

    conversation: Conversation
    tags: tuple[str, ...]
    messages: tuple[StoredMessage, ...]
    judgements: Mapping[str, Judgement]

    def branch(self, leaf_id: str | None = None) -> tuple[StoredMessage, ...]:
        """The messages from the first question to the leaf, by default to that of the shown branch."""
        by_id = {message.id: message for message in self.messages}
        found: list[StoredMessage] = []
        next_id = leaf_id or self.conversation.leaf_id
        # Taken out as they are met: a cycle in a damaged database ends.
        while next_id is not None and (message := by_id.pop(next_id, None)) is not None:
            found.append(message)
            next_id = message.parent_id
        return tuple(reversed(found))


def whole_conversations(
    database: Database, owner: str, chosen: ConversationFilter, *, at_once: int = 50
) -> Iterator[WholeConversation]:
    """The conversations that are meant, each whole, without those that somebody deletes while this runs.

    Args:
        at_once: how many are read in one transaction at most; more are never in memory.
    """
    with database.reading() as connection:
        query = select(conversations.c.id).where(*conditions(owner, chosen)).order_by(*_ORDER)
        ids = list(connection.execute(query).scalars())
    at, count = 0, 1
    while at < len(ids):
        with database.reading() as connection:
            said = _said(connection, ids[at : at + count])
            # What is archived meanwhile is still meant.
            found = _read(connection, owner, said, are_deleted=chosen.shelf == "deleted")
        yield from found
        at += len(said)
        count = min(at_once, 2 * len(said))  # few, where they are long


def _said(connection: Connection, ids: Sequence[str]) -> dict[str, list[StoredMessage]]:
    """The messages of the first of these conversations, of as many as are in memory at once."""
    query = select(*_MESSAGE).join(conversations, conversations.c.id == messages.c.conversation_id)
    query = query.where(conversations.c.id.in_(ids)).order_by(*_ORDER, messages.c.sequence)
    said: dict[str, list[StoredMessage]] = {each: [] for each in ids}
    characters = 0
    with connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}) as rows:
        for row in rows:
            if characters > CHARACTERS_AT_ONCE and not said[row.conversation_id]:
                return {each: said[each] for each in ids[: ids.index(row.conversation_id)]}
            said[row.conversation_id].append(StoredMessage(**row._mapping))
            characters += len(row.content)
    return said


def _read(
    connection: Connection, owner: str, said: Mapping[str, Sequence[StoredMessage]], *, are_deleted: bool
) -> list[WholeConversation]:
    """Those that are still there, or still deleted, with what was said in them."""
    ids = list(said)
    told = connection.execute(select(*listing.COLUMNS).where(conversations.c.id.in_(ids)))
    by_id = {
        row.id: listing.read_conversation(row) for row in told if (row.shelf == "deleted") == are_deleted
    }
    tagged: dict[str, list[str]] = {each: [] for each in ids}
    for row in connection.execute(select(tags).where(tags.c.conversation_id.in_(ids)).order_by(tags.c.tag)):
        tagged[row.conversation_id].append(row.tag)
    judged: dict[str, dict[str, Judgement]] = {each: {} for each in ids}
    opinions = select(judgements.c.conversation_id, *_JUDGEMENT).where(
        judgements.c.owner == owner,  # the first column of the index
        judgements.c.conversation_id.in_(ids),
    )
    for conversation_id, *values in connection.execute(opinions):
        judgement = Judgement(**dict(zip((column.name for column in _JUDGEMENT), values, strict=True)))
        judged[conversation_id][judgement.message_id] = judgement
    return [
        WholeConversation(
            conversation=by_id[each],
            tags=tuple(tagged[each]),
            messages=tuple(said[each]),
            judgements=judged[each],
        )
        for each in ids
        if each in by_id
    ]
