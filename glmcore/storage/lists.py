"""A condition on any number of texts, which are one value of the statement: there may be only so many."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from glmcore.storage.columns import storable


class _Texts(TypeDecorator[Sequence[str]]):
    """A JSON array in SQLite, an array in PostgreSQL, which would look into JSON anew for each row."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        texts = [storable(text) for text in value or ()]
        return texts if dialect.name == "postgresql" else json.dumps(texts)


class _IsOneOf(FunctionElement[bool]):
    """It has no type: of a Boolean SQLAlchemy would ask SQLite whether it equals 1, which no index knows."""

    inherit_cache = True


def is_one_of(column: ColumnElement[str], texts: Sequence[str]) -> ColumnElement[bool]:
    """As `column.in_(texts)`."""
    return _IsOneOf(column, bindparam(None, texts, _Texts(), unique=True))


@compiles(_IsOneOf, "sqlite")
def _in_sqlite(element: _IsOneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(each, **options) for each in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({texts})))"


@compiles(_IsOneOf, "postgresql")
def _in_postgresql(element: _IsOneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(each, **options) for each in element.clauses)
    return f"({column} = ANY({texts}))"
