"""Conversations with all that belongs to them, one after the other: for export, data sets and copies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from sqlalchemy import Connection, select

from glmcore.history import listing
from glmcore.history.filters import ConversationFilter, conditions
from glmcore.history.records import Conversation, Judgement, StoredMessage
from glmcore.history.schema import conversations, judgements, messages, tags
from glmcore.storage.database import Database

_MESSAGE = [messages.c[field.name] for field in fields(StoredMessage)]
_JUDGEMENT = [judgements.c[field.name] for field in fields(Judgement)]


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
    """The conversations that are meant, each whole; those that come while this runs may be among them.

    Args:
        at_once: how many are read in one transaction; more are never in memory.
    """
    with database.reading() as connection:
        order = conversations.c.created_at, conversations.c.id
        query = select(conversations.c.id).where(*conditions(owner, chosen)).order_by(*order)
        ids = list(connection.execute(query).scalars())
    for at in range(0, len(ids), at_once):
        with database.reading() as connection:
            found = _read(connection, ids[at : at + at_once])
        yield from found


def _read(connection: Connection, ids: list[str]) -> list[WholeConversation]:
    told = select(*listing.COLUMNS).where(conversations.c.id.in_(ids))
    by_id = {row.id: listing.read_conversation(row) for row in connection.execute(told)}
    said: dict[str, list[StoredMessage]] = {each: [] for each in by_id}
    query = select(*_MESSAGE).where(messages.c.conversation_id.in_(ids)).order_by(messages.c.sequence)
    for row in connection.execute(query):
        said[row.conversation_id].append(StoredMessage(**row._mapping))
    tagged: dict[str, list[str]] = {each: [] for each in by_id}
    for row in connection.execute(select(tags).where(tags.c.conversation_id.in_(ids)).order_by(tags.c.tag)):
        tagged[row.conversation_id].append(row.tag)
    judged: dict[str, dict[str, Judgement]] = {each: {} for each in by_id}
    opinions = select(judgements.c.conversation_id, *_JUDGEMENT).where(judgements.c.conversation_id.in_(ids))
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
        if each in by_id  # deleted meanwhile
    ]
