"""A branch of a conversation made a conversation of its own; how many branches one has."""

import time
import uuid
from typing import Any

from sqlalchemy import Connection, func, select

from glmcore.core.errors import NotFoundError
from glmcore.history import listing, tree
from glmcore.history.conversations import TITLE_CHARS, no_conversation, one_line
from glmcore.history.records import Conversation
from glmcore.history.schema import conversations, messages
from glmcore.history.search.index import SearchText, add_texts
from glmcore.history.store import HistoryStore

BRANCH_MARK = "↳"  # before the title of a branch


def branch_into_new(store: HistoryStore, owner: str, conversation_id: str, message_id: str) -> Conversation:
    """Copy the messages from the first question to this one into a new conversation.

    It is answered as the old one is; tags and judgements stay with the old one.

    Raises:
        NotFoundError: the conversation, or the message in it, is not there (any more).
    """
    table = conversations.c
    old = select(*listing.COLUMNS).where(
        table.owner == owner, table.id == conversation_id, table.shelf != "deleted"
    )
    with store.database.writing() as connection:
        row = connection.execute(old).one_or_none()
        if row is None:
            raise no_conversation(conversation_id)
        copied = _copies(connection, owner, conversation_id, message_id)
        new = conversations.insert().values(_values(listing.read_conversation(row), copied))
        made = listing.read_conversation(connection.execute(new.returning(*listing.COLUMNS)).one())
        connection.execute(messages.insert(), [{**each, "conversation_id": made.id} for each in copied])
        texts = [SearchText(owner, made.id, each["id"], each["content"]) for each in copied]
        add_texts(connection, [SearchText(owner, made.id, None, made.title), *texts])
    return made


def count_branches(store: HistoryStore, owner: str, conversation_id: str) -> int:
    """How many messages have none after them, each the end of a branch."""
    # Read from the index alone: a message is either a parent or an end.
    ends = select(func.count() - func.count(messages.c.parent_id.distinct())).where(
        messages.c.owner == owner, messages.c.conversation_id == conversation_id
    )
    with store.database.reading() as connection:
        return connection.execute(ends).scalar_one()


def _copies(
    connection: Connection, owner: str, conversation_id: str, message_id: str
) -> list[dict[str, Any]]:
    """New rows for the messages of the branch that ends here, oldest first."""
    branch = tree.branch_upwards(owner, message_id, limit=None)
    columns = [column for column in messages.c if column.name not in ("sequence", "server_id")]
    along = (
        select(*columns)
        .join_from(branch, messages, messages.c.id == branch.c.id)
        .where(messages.c.owner == owner, messages.c.conversation_id == conversation_id)
        .order_by(messages.c.depth)
    )
    rows: list[dict[str, Any]] = []
    for found in connection.execute(along).mappings():
        row = {**found, "id": uuid.uuid4().hex, "parent_id": rows[-1]["id"] if rows else None}
        if row["state"] == "running":  # who writes it does not know of its copy
            row["state"] = "interrupted"
        rows.append(row)
    if not rows:
        raise NotFoundError(
            "There is no message {id!r} in this conversation of yours (any more); "
            "open the conversation again.",
            id=message_id,
        )
    return rows


def _values(old: Conversation, copied: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of the new conversation."""
    now = time.time()
    adapters = [each["facts"].adapter for each in copied if each["facts"] is not None]
    return {
        "id": uuid.uuid4().hex,
        "owner": old.owner,
        "title": one_line(f"{BRANCH_MARK} {old.title}", TITLE_CHARS),
        "model": old.model,
        "system_prompt": old.system_prompt,
        "params": old.params,
        "adapter": adapters[-1] if adapters else None,
        "leaf_id": copied[-1]["id"],
        "leaf_depth": len(copied),
        "created_at": now,
        "updated_at": now,
    }
