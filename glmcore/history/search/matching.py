"""How words are kept in each database and a query is asked of it.

The table `search_words` has one row of words for each row of `search_entries`: in SQLite it is an FTS5 table,
in PostgreSQL an ordinary one with a tsvector.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Dialect, Double, Text, bindparam, column, table
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from glmcore.history.search.query import Term

PART = "¶"  # first word of a passage that is not the whole text; no text and no query has it as a word


class Words(TypeDecorator[Sequence[str]]):
    """The words of a passage: a text between spaces in SQLite, a tsvector with their places in PostgreSQL.

    The tsvector is written out, since PostgreSQL's own parser would cut the words again.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return None if value is None else " ".join(value)
        places: dict[str, list[str]] = {}
        for place, word in enumerate(value, start=1):
            places.setdefault(word, []).append(str(place))
        return " ".join([f"'{word}':{','.join(at)}" for word, at in places.items()])


@dataclass(frozen=True, slots=True)
class Expression:
    """What a passage must have: all of `every`, one of `some` if there are any, and none of `none`."""

    every: tuple[Term, ...] = ()
    some: tuple[Term, ...] = ()
    none: tuple[Term, ...] = ()


class ExpressionText(TypeDecorator[Expression]):
    """An expression in the database's own language of queries."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Expression | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return tsquery(value) if dialect.name == "postgresql" else fts5_query(value)


def fts5_query(wanted: Expression) -> str:
    def said(term: Term) -> str:
        return f'"{" ".join(term.words)}"' + (" *" if term.is_prefix else "")

    every = [*map(said, wanted.every), *_one_of(map(said, wanted.some), " OR ")]
    without = f" NOT ({' OR '.join(map(said, wanted.none))})" if wanted.none else ""
    return f"({' AND '.join(every)}){without}"


def tsquery(wanted: Expression) -> str:
    def said(term: Term) -> str:
        phrase = " <-> ".join(f"'{word}'" for word in term.words)
        return f"({phrase}:*)" if term.is_prefix else f"({phrase})"

    every = [*map(said, wanted.every), *_one_of(map(said, wanted.some), " | ")]
    return " & ".join([*every, *(f"!{said(term)}" for term in wanted.none)])


def _one_of(said: Iterable[str], separator: str) -> list[str]:
    together = separator.join(said)
    return [f"({together})"] if together else []


search_words = table("search_words", column("rowid"), column("words", Words()))


def asked(wanted: Expression | None = None) -> BindParameter[Expression]:
    """An expression as a value of a statement; without one it is given with the name `wanted`."""
    if wanted is None:
        return bindparam("wanted", type_=ExpressionText())
    return bindparam(None, wanted, ExpressionText(), unique=True)


class Matches(FunctionElement[bool]):
    """Whether a row of `search_words` has what is wanted.

    It has no type: of a Boolean SQLAlchemy would ask SQLite whether it equals 1, which MATCH does not bear.
    """

    inherit_cache = True


class Score(FunctionElement[float]):
    """How well it does; the higher the better."""

    type = Double()
    inherit_cache = True


@compiles(Matches, "sqlite")
def _match(element: Matches, compiler: SQLCompiler, **options: Any) -> str:
    return f"search_words MATCH {compiler.process(element.clauses, **options)}"


@compiles(Matches, "postgresql")
def _search(element: Matches, compiler: SQLCompiler, **options: Any) -> str:
    return f"search_words.words @@ CAST({compiler.process(element.clauses, **options)} AS tsquery)"


@compiles(Score, "sqlite")
def _score(element: Score, compiler: SQLCompiler, **options: Any) -> str:
    return "-bm25(search_words)"


@compiles(Score, "postgresql")
def _rank(element: Score, compiler: SQLCompiler, **options: Any) -> str:
    wanted = compiler.process(element.clauses, **options)
    return f"ts_rank(search_words.words, CAST({wanted} AS tsquery), 1)"  # 1: long texts have more of any word
