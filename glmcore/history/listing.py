"""Pages of the list of conversations: found by an index, and told about without reading any message."""

from dataclasses import fields
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, select

from glmcore.history.filters import ConversationFilter, conditions
from glmcore.history.records import Conversation, ListedConversation
from glmcore.history.schema import conversations, judgements, tags
from glmcore.storage.lists import is_one_of

Order = Literal["recent", "oldest", "longest", "title"]
COLUMNS = [conversations.c[field.name] for field in fields(Conversation)]


def page(
    connection: Connection, owner: str, chosen: ConversationFilter, order: Order, limit: int, offset: int
) -> list[ListedConversation]:
    """Rows of the list; by default pinned ones first, then those used last."""
    return told(connection, owner, conversations_of(connection, owner, chosen, order, limit, offset))


def conversations_of(
    connection: Connection, owner: str, chosen: ConversationFilter, order: Order, limit: int, offset: int
) -> list[Conversation]:
    """The same without tags and judgements."""
    query = _ordered(select(*COLUMNS).where(*conditions(owner, chosen)), order)
    return [read_conversation(row) for row in connection.execute(query.limit(limit).offset(offset))]


def count(connection: Connection, owner: str, chosen: ConversationFilter) -> int:
    query = select(func.count()).select_from(conversations).where(*conditions(owner, chosen))
    return connection.execute(query).scalar_one()


def told(connection: Connection, owner: str, found: list[Conversation]) -> list[ListedConversation]:
    """The conversations with their tags and judgements."""
    ids = [each.id for each in found]
    tags_of: dict[str, list[str]] = {}
    query = select(tags.c.conversation_id, tags.c.tag).where(is_one_of(tags.c.conversation_id, ids))
    for conversation_id, tag in connection.execute(query.order_by(tags.c.tag)):
        tags_of.setdefault(conversation_id, []).append(tag)
    judged = {row.conversation_id: row for row in connection.execute(_judged(owner, ids))}
    return [_told(each, tuple(tags_of.get(each.id, ())), judged.get(each.id)) for each in found]


def read_conversation(row: Row[Any]) -> Conversation:
    return Conversation(**{**row._mapping, "is_pinned": bool(row.is_pinned)})


def _ordered(query: Select[Any], order: Order) -> Select[Any]:
    table = conversations.c
    latest = (table.updated_at.desc(), table.id.desc())
    match order:
        case "oldest":
            return query.order_by(table.updated_at, table.id)
        case "longest":
            return query.order_by(table.leaf_depth.desc(), *latest)
        case "title":
            return query.order_by(table.title, *latest)
    return query.order_by(table.is_pinned.desc(), *latest)


def _judged(owner: str, ids: list[str]) -> Select[Any]:
    table = judgements.c
    return (
        select(
            table.conversation_id,
            func.count().filter(table.thumb == 1).label("num_up"),
            func.count().filter(table.thumb == -1).label("num_down"),
            func.count(table.repair).label("num_repaired"),
            func.max(table.stars).label("best_stars"),
        )
        .where(table.owner == owner, is_one_of(table.conversation_id, ids))
        .group_by(table.conversation_id)
    )


def _told(conversation: Conversation, tags: tuple[str, ...], judged: Row[Any] | None) -> ListedConversation:
    if judged is None:
        return ListedConversation(conversation=conversation, tags=tags)
    return ListedConversation(
        conversation=conversation,
        tags=tags,
        num_up=judged.num_up,
        num_down=judged.num_down,
        num_repaired=judged.num_repaired,
        best_stars=judged.best_stars,
    )
