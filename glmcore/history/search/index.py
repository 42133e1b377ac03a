"""Keeps the words of titles, questions and answers where they are found; part of the writes themselves.

Works inside the caller's transaction, so that text and index are stored together or not at all. Words go with
their entry: when it is deleted, with its conversation say, a trigger or foreign key deletes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, null, select

from glmcore.history.schema import conversations, messages, search_entries
from glmcore.history.search.matching import PART, search_words
from glmcore.history.search.passages import passages

_ROWS_AT_ONCE = 500
_TEXTS_AT_ONCE = 50
_ENTRY = ("id", "owner", "conversation_id", "message_id", "start")
_ADD_ENTRY = insert(search_entries).values({name: bindparam(name) for name in _ENTRY})
_ADD_WORDS = insert(search_words).values(rowid=bindparam("rowid"), words=bindparam("words"))


@dataclass(frozen=True, slots=True)
class SearchText:
    """One text to be found; of a title `message_id` is None."""

    owner: str
    conversation_id: str
    message_id: str | None
    text: str


def add_texts(connection: Connection, texts: Sequence[SearchText]) -> None:
    """Make texts findable that were not so far."""
    latest = connection.execute(select(func.coalesce(func.max(search_entries.c.id), 0))).scalar_one()
    rows = (row for text in texts for row in _rows(text))
    numbered = ({"id": number, "rowid": number, **row} for number, row in enumerate(rows, start=latest + 1))
    while some := list(islice(numbered, _ROWS_AT_ONCE)):
        connection.execute(_ADD_ENTRY, some)
        connection.execute(_ADD_WORDS, some)


def replace_text(connection: Connection, text: SearchText) -> None:
    """Make a text findable in place of what the message, or the title, said before."""
    table = search_entries.c
    is_same = table.message_id.is_not_distinct_from(text.message_id)
    there = table.conversation_id == text.conversation_id, is_same
    connection.execute(search_entries.delete().where(*there))
    add_texts(connection, [text])


def remove_conversations(connection: Connection, conversation_ids: Sequence[str]) -> None:
    """Forget all words of conversations; before their rows are deleted."""
    there = search_entries.c.conversation_id.in_(conversation_ids)
    connection.execute(search_entries.delete().where(there))


def index_all(connection: Connection) -> None:
    """Make everything findable that is stored; an answer that is being written will be when it has ended."""
    connection.execute(search_entries.delete())
    table = conversations.c
    titles = select(table.owner, table.id, null(), table.title).where(table.title != "")
    of = messages.c
    said = select(of.owner, of.conversation_id, of.id, of.content).where(of.state != "running")
    for query in (titles, said.order_by(of.sequence)):
        found = connection.execute(query, execution_options={"yield_per": _TEXTS_AT_ONCE})
        for rows in found.partitions():
            add_texts(connection, [SearchText(*row) for row in rows])


def _rows(text: SearchText) -> Iterator[dict[str, Any]]:
    for passage in passages(text.text):
        yield {
            "owner": text.owner,
            "conversation_id": text.conversation_id,
            "message_id": text.message_id,
            "start": passage.start,
            "words": passage.words if passage.is_whole else [PART, *passage.words],
        }
