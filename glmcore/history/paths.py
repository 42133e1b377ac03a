"""Reads branches of the tree of messages, or a part of one, inside the caller's transaction."""

from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, select

from glmcore.core.errors import NotFoundError
from glmcore.history import tree
from glmcore.history.conversations import no_conversation
from glmcore.history.records import PathEntry, PathWindow, StoredMessage
from glmcore.history.schema import conversations, messages

COLUMNS = [messages.c[field.name] for field in fields(StoredMessage)]


def read_message(connection: Connection, owner: str, message_id: str) -> StoredMessage:
    query = select(*COLUMNS).where(messages.c.owner == owner, messages.c.id == message_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise no_message(message_id)
    return to_message(row)


def to_message(row: Row[Any]) -> StoredMessage:
    return StoredMessage(**row._mapping)


def shown_leaf(owner: str, conversation_id: str) -> ScalarSelect[str | None]:
    query = select(conversations.c.leaf_id).where(
        conversations.c.owner == owner, conversations.c.id == conversation_id
    )
    return query.scalar_subquery()


def read_path(
    connection: Connection, owner: str, conversation_id: str, leaf_id: str | None, limit: int | None
) -> list[PathEntry]:
    """The last `limit` messages of the branch that ends at the leaf (None: the shown one), oldest first."""
    start = leaf_id if leaf_id is not None else shown_leaf(owner, conversation_id)
    branch = tree.branch_upwards(owner, start, limit)
    along = (
        select(*COLUMNS)
        .join_from(branch, messages, messages.c.id == branch.c.id)
        .where(messages.c.owner == owner, messages.c.conversation_id == conversation_id)
        .order_by(messages.c.depth)
    )
    found = [to_message(row) for row in connection.execute(along)]
    if not found:
        _check_empty(connection, owner, conversation_id, leaf_id)
    siblings: dict[str | None, list[str]] = {}
    for sibling_id, parent_id, _ in connection.execute(tree.siblings_along(owner, conversation_id, branch)):
        siblings.setdefault(parent_id, []).append(sibling_id)
    # In a database with a damaged index a message may not be found among its versions.
    return [
        PathEntry(message=each, sibling_ids=tuple(siblings.get(each.parent_id, [each.id]))) for each in found
    ]


def count_path(connection: Connection, owner: str, conversation_id: str, leaf_id: str | None) -> int:
    """How many messages the branch has that ends at the leaf (None: the shown one)."""
    start = leaf_id if leaf_id is not None else shown_leaf(owner, conversation_id)
    query = select(messages.c.depth).where(
        messages.c.owner == owner, messages.c.conversation_id == conversation_id, messages.c.id == start
    )
    depth = connection.execute(query).scalar_one_or_none()
    if depth is None:
        _check_empty(connection, owner, conversation_id, leaf_id)
    return depth or 0


def read_window(
    connection: Connection, owner: str, conversation_id: str, message_id: str, before: int, after: int
) -> PathWindow:
    """The message with at most so many before and after it.

    Below it, ids are read for no more levels than asked for. Only where the branch forks there, the way up
    from its end has to be walked, to tell which fork leads to it.
    """
    depth = count_path(connection, owner, conversation_id, message_id)
    children: dict[str | None, list[str]] = {}
    for child_id, parent_id in connection.execute(
        tree.children_below(owner, conversation_id, message_id, after + 1)
    ):
        children.setdefault(parent_id, []).append(child_id)
    on_branch: set[str] = set()
    if any(len(versions) > 1 for versions in children.values()):
        leaf_id = leaf_through(connection, owner, conversation_id, message_id)
        branch = tree.branch_upwards(owner, leaf_id, limit=None, lowest_depth=depth)
        on_branch.update(connection.execute(select(branch.c.id)).scalars())
    end, num_after = message_id, 0
    while num_after < after and end in children:
        versions = children[end]
        end = next((each for each in versions if each in on_branch), versions[-1])
        num_after += 1
    entries = read_path(connection, owner, conversation_id, end, before + 1 + num_after)
    num_earlier = depth + num_after - len(entries)
    return PathWindow(entries=tuple(entries), num_earlier=num_earlier, has_later=end in children)


def leaf_through(connection: Connection, owner: str, conversation_id: str, message_id: str) -> str:
    """The end of the branch through a message: the shown branch, or the youngest of the others."""
    depth = count_path(connection, owner, conversation_id, message_id)
    shown: str | None = connection.execute(select(shown_leaf(owner, conversation_id))).scalar_one()
    if shown is not None:
        branch = tree.branch_upwards(owner, shown, limit=None, lowest_depth=depth)
        if connection.execute(select(branch.c.id).where(branch.c.id == message_id)).first() is not None:
            return shown
    return str(connection.execute(tree.latest_leaf(owner, conversation_id, message_id)).one().id)


def _check_empty(connection: Connection, owner: str, conversation_id: str, leaf_id: str | None) -> None:
    """Nothing was found: right for a conversation without messages, a fault for anything else."""
    if leaf_id is not None:
        raise no_message(leaf_id)
    query = select(conversations.c.id).where(
        conversations.c.owner == owner, conversations.c.id == conversation_id
    )
    if connection.execute(query).one_or_none() is None:
        raise no_conversation(conversation_id)


def no_message(message_id: str) -> NotFoundError:
    return NotFoundError(
        "There is no message {id!r} in this conversation of yours (any more); open the conversation again.",
        id=message_id,
    )
