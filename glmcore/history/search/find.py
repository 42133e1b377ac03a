"""Finds conversations by words: the best first, each with the place that shows why it was found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, literal, select, text, true

from glmcore.core.messages import Role
from glmcore.history import listing
from glmcore.history.filters import ConversationFilter, conditions
from glmcore.history.records import Conversation, ListedConversation
from glmcore.history.schema import conversations, messages, search_entries
from glmcore.history.search.conditions import has_one_term, in_parts, in_whole_texts, of_long_messages
from glmcore.history.search.matching import Matches, Score, asked, search_words
from glmcore.history.search.passages import PASSAGE_CHARS
from glmcore.history.search.query import Query, parse_query
from glmcore.history.search.snippets import SnippetPart, pattern_of, snippet
from glmcore.storage.database import Database

# Of more that are found only the newest are looked at, so that a common word is found fast.
RANKED = 1_000
_OVERLAP_CHARS = 1_000
_PAGES_AT_ONCE = 500
_MERGE = text("INSERT INTO search_words(search_words, rank) VALUES ('merge', :pages)")
_TOTAL_CHANGES = text("SELECT total_changes()")
_WINDOW_CHARS = _OVERLAP_CHARS + 2 * PASSAGE_CHARS
# Entry, conversation, message and score: plain places, since there may be a thousand of them.
_Found = Row[int, str, str | None, float]
_FOUND = [search_entries.c[name] for name in ("id", "conversation_id", "message_id")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """A conversation that was found.

    Attributes:
        message_id: of its best message; None where the words are in its title only. So `role`.
        num_messages: how many of its messages match.
    """

    listed: ListedConversation
    message_id: str | None
    role: Role | None
    snippet: tuple[SnippetPart, ...]
    num_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """Some of the conversations that were found; unless `is_total_exact`, there are more than `total`."""

    hits: tuple[SearchHit, ...]
    total: int
    is_total_exact: bool


class SearchStore:
    """Finds the owner's conversations only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget_removed(self) -> None:
        """Let the words of removed conversations leave the file as well.

        FTS5 only marks them as gone until their segment is merged with others. This merges all, in short
        transactions; 100,000 messages take 2 s. PostgreSQL's autovacuum does it without being asked.
        """
        pages = -_PAGES_AT_ONCE  # below zero: merge down to one segment
        has_changed = self._database.is_sqlite
        while has_changed:
            with self._database.writing() as connection:
                before = connection.execute(_TOTAL_CHANGES).scalar_one()
                connection.execute(_MERGE, {"pages": pages})
                has_changed = connection.execute(_TOTAL_CHANGES).scalar_one() - before > 1
            pages = _PAGES_AT_ONCE

    def find(self, owner: str, chosen: ConversationFilter, *, limit: int = 20, offset: int = 0) -> SearchPage:
        """One page of the conversations with `chosen.words` that the other conditions leave.

        Raises:
            DataError: the words are no query; the message says what to type.
        """
        query = parse_query(chosen.words)
        with self._database.reading() as connection:
            rows = _candidates(connection, owner, replace(chosen, words=""), query)
            best = _best_of_each(rows[:RANKED])
            shown = list(best.values())[offset : offset + limit]
            hits = _hits(connection, owner, shown, _num_messages(rows[:RANKED]), query)
        return SearchPage(hits=hits, total=len(best), is_total_exact=len(rows) <= RANKED)


def _best_of_each(rows: Sequence[_Found]) -> dict[str, _Found]:
    """Of each conversation its best message, or its title where no message was found.

    Those that were found by their title come first, then those whose message has the highest score, of equal
    ones the newest.
    """
    best: dict[str, _Found] = {}
    for row in sorted(rows, key=lambda row: (row[2] is not None, -row[3])):
        if row[1] not in best or best[row[1]][2] is None:  # keeps the place of the title
            best[row[1]] = row
    return best


def _num_messages(rows: Sequence[_Found]) -> Counter[str]:
    """How many messages were found, by conversation; each once, of however many passages."""
    messages_found = {row[1:3] for row in rows if row[2] is not None}
    return Counter(conversation_id for conversation_id, _ in messages_found)


def _candidates(
    connection: Connection, owner: str, chosen: ConversationFilter, query: Query
) -> Sequence[_Found]:
    """Entries with the words, the newest first, and no more than one too many."""
    is_sqlite = connection.dialect.name == "sqlite"
    statement = _newest(is_sqlite, owner, chosen)
    rows = connection.execute(statement, {"wanted": in_whole_texts(query)}).all()
    if has_one_term(query):
        return rows
    statement = _newest(is_sqlite, owner, chosen, of_long_messages(owner, query))
    parts = connection.execute(statement, {"wanted": in_parts(query)}).all()
    return sorted([*rows, *parts], key=lambda row: row.id, reverse=True) if parts else rows


@lru_cache(maxsize=32)  # making the statement takes longer than finding a rare word with it
def _newest(
    is_sqlite: bool, owner: str, chosen: ConversationFilter, *more: ColumnElement[bool]
) -> Select[int, str, str | None, float]:
    """Read in the order of the index, so that of a common word no more is read than is looked at."""
    entry = (
        select(*_FOUND)
        .join(conversations, conversations.c.id == search_entries.c.conversation_id)
        .where(search_entries.c.id == search_words.c.rowid, search_entries.c.owner == owner)
        .where(*conditions(owner, chosen), *more)
    )
    if is_sqlite:
        found = entry.add_columns(_score_if_few().label("score"))
    else:  # PostgreSQL would read all entries to match them; this way it looks up each by its number
        one = entry.limit(1).lateral()
        found = select(*one.c, Score(asked()).label("score")).join_from(search_words, one, true())
    return found.where(Matches(asked())).order_by(search_words.c.rowid.desc()).limit(RANKED + 1)


def _score_if_few() -> ColumnElement[float]:
    """0 for all where more have the words than are looked at: for a score FTS5 would read all of them."""
    some = select(literal(1)).select_from(search_words).where(Matches(asked())).limit(RANKED + 1)
    count = select(func.count()).select_from(some.subquery()).scalar_subquery()
    return case((count <= RANKED, Score(asked())), else_=0.0)


def _hits(
    connection: Connection, owner: str, found: Sequence[_Found], num_messages: Counter[str], query: Query
) -> tuple[SearchHit, ...]:
    if not found:
        return ()
    by_id = _conversations(connection, owner, [row.conversation_id for row in found])
    listed = listing.told(connection, owner, [by_id[row.conversation_id] for row in found])
    texts = _texts(connection, [row.id for row in found if row.message_id])
    pattern = pattern_of(query.wanted)
    hits: list[SearchHit] = []
    for each, row in zip(listed, found, strict=True):
        role, said = texts.get(row.id, (None, each.conversation.title))
        hits.append(
            SearchHit(
                listed=each,
                message_id=row.message_id,
                role=role,
                snippet=snippet(said, pattern),
                num_messages=num_messages[row.conversation_id],
            )
        )
    return tuple(hits)


def _conversations(connection: Connection, owner: str, ids: Sequence[str]) -> dict[str, Conversation]:
    theirs = conversations.c.owner == owner, conversations.c.id.in_(ids)
    rows = connection.execute(select(*listing.COLUMNS).where(*theirs))
    return {row.id: listing.read_conversation(row) for row in rows}


def _texts(connection: Connection, entry_ids: Sequence[int]) -> dict[int, tuple[Role, str]]:
    """Of each entry the role of its message, and its text from shortly before the passage to its end."""
    start = search_entries.c.start
    begin = case((start > _OVERLAP_CHARS, start - _OVERLAP_CHARS), else_=0)
    window = func.substr(messages.c.content, begin + 1, _WINDOW_CHARS)
    query = (
        select(search_entries.c.id, messages.c.role, window)
        .join(messages, messages.c.id == search_entries.c.message_id)
        .where(search_entries.c.id.in_(entry_ids))
    )
    return {entry_id: (role, said) for entry_id, role, said in connection.execute(query)}
