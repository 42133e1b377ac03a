"""What is done to all conversations that are meant, however many: which they are, pins, running answers."""

from collections.abc import Sequence

from sqlalchemy import select

from glmcore.history.conversations import batches
from glmcore.history.filters import ConversationFilter, conditions
from glmcore.history.records import Shelf
from glmcore.history.schema import conversations, messages
from glmcore.storage.database import Database


def shelves_of(database: Database, owner: str, chosen: ConversationFilter) -> dict[str, Shelf]:
    """The ids of the conversations that are meant, each with the shelf it is on.

    Raises:
        DataError: the query `chosen.words` cannot be understood.
    """
    table = conversations.c
    with database.reading() as connection:
        meant = select(table.id, table.shelf).where(*conditions(owner, chosen))
        return {row.id: row.shelf for row in connection.execute(meant)}


def pin_all(database: Database, owner: str, conversation_ids: Sequence[str], is_pinned: bool) -> None:
    """Pin conversations, or do so no longer; those that are gone are passed over."""
    table = conversations.c
    change = conversations.update().where(table.owner == owner, table.shelf != "deleted")
    change = change.where(table.is_pinned == int(not is_pinned)).values(
        is_pinned=int(is_pinned), version=table.version + 1
    )
    with database.writing() as connection:
        for some in batches(conversation_ids):
            connection.execute(change.where(table.id.in_(some)))


def running_answers(database: Database, owner: str, conversation_ids: Sequence[str]) -> list[str]:
    """The ids of the answers in these conversations that are being written."""
    table = messages.c
    # All that run are few; to look for them in each conversation would cost more.
    running = select(table.id, table.conversation_id).where(table.owner == owner, table.state == "running")
    asked = set(conversation_ids)
    with database.reading() as connection:
        return [row.id for row in connection.execute(running) if row.conversation_id in asked]
