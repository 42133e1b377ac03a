"""A query as conditions on `search_entries`: all terms in the same title or message, however long it is."""

from sqlalchemy import ColumnElement, Select, and_, or_, select

from glmcore.history.schema import conversations, search_entries
from glmcore.history.search.matching import PART, Expression, Matches, asked, search_words
from glmcore.history.search.query import Query, Term, parse_query

_PART = Term((PART,))


def has_one_term(query: Query) -> bool:
    """Whether each passage answers for itself, so that the parts of a long text need no second look."""
    return len(query.wanted) == 1 and not query.unwanted


def in_whole_texts(query: Query) -> Expression:
    """What a row must have that holds a whole text; for a query of one term, any row."""
    if has_one_term(query):
        return Expression(every=query.wanted)
    return Expression(every=query.wanted, none=(*query.unwanted, _PART))


def in_parts(query: Query) -> Expression:
    """What a passage of a long message must have to be shown, if `of_long_messages` holds as well."""
    return Expression(every=(_PART,), some=query.wanted)


def of_long_messages(owner: str, query: Query) -> ColumnElement[bool]:
    """Whether the passages of an entry's message have all terms between them, and no unwanted one."""

    def having(term: Term) -> ColumnElement[bool]:
        parts = search_entries.alias()
        there = parts.c.owner == owner, parts.c.id.in_(rows_with(Expression(every=(_PART, term))))
        return search_entries.c.message_id.in_(select(parts.c.message_id).where(*there))

    return and_(*map(having, query.wanted), *(~having(term) for term in query.unwanted))


def rows_with(wanted: Expression) -> Select[int]:
    return select(search_words.c.rowid).where(Matches(asked(wanted)))


def is_found(owner: str, words: str) -> ColumnElement[bool]:
    """Whether a row of `conversations` has a title or message with these words.

    Raises:
        DataError: they are no query.
    """
    query = parse_query(words)
    entries = search_entries.c
    found: ColumnElement[bool] = entries.id.in_(rows_with(in_whole_texts(query)))
    if not has_one_term(query):
        parts = entries.id.in_(rows_with(in_parts(query)))
        found = or_(found, and_(parts, of_long_messages(owner, query)))
    having = select(entries.conversation_id).where(entries.owner == owner, found)
    return conversations.c.id.in_(having)
