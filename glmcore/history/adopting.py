"""Takes a conversation over from another history, such as a temporary one in memory, as it is."""

from typing import Any

from sqlalchemy import Connection, Table, select

from glmcore.history.conversations import no_conversation
from glmcore.history.schema import conversations, judgements, messages, tags
from glmcore.history.search.index import SearchText, add_texts
from glmcore.history.store import HistoryStore


def adopt(source: HistoryStore, target: HistoryStore, owner: str, conversation_id: str) -> None:
    """Copy a conversation with its messages, tags and judgements, whole or not at all; ids stay the same.

    Raises:
        NotFoundError: the source has no such conversation.
    """
    with source.database.reading() as connection:
        found = _rows(connection, conversations, owner, conversation_id, "id")
        if not found:
            raise no_conversation(conversation_id)
        said = _rows(connection, messages, owner, conversation_id)
        others = [(each, _rows(connection, each, owner, conversation_id)) for each in (tags, judgements)]
    for row in said:
        del row["sequence"]  # the target counts anew, in the same order
    texts = [SearchText(owner, conversation_id, None, found[0]["title"])]
    texts += [SearchText(owner, conversation_id, row["id"], row["content"]) for row in said]
    with target.database.writing() as connection:
        for table, rows in ((conversations, found), (messages, said), *others):
            if rows:
                connection.execute(table.insert(), rows)
        add_texts(connection, [text for text in texts if text.text])


def _rows(
    connection: Connection, table: Table, owner: str, conversation_id: str, name: str = "conversation_id"
) -> list[dict[str, Any]]:
    query = select(table).where(table.c.owner == owner, table.c[name] == conversation_id)
    ordered = query.order_by(table.c.sequence) if table is messages else query
    return [dict(row) for row in connection.execute(ordered).mappings()]
