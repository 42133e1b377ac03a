"""Column types: text that every database takes, and frozen values kept as JSON."""

import json
import re
from typing import Any, Protocol, Self

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from glmcore.core.errors import StorageError

# PostgreSQL refuses NUL in a text, and a lone surrogate is not UTF-8 anywhere.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with U+FFFD in place of the characters that no database can keep."""
    return _UNSTORABLE.sub("\ufffd", text)


class SafeText(TypeDecorator[str]):
    """Text of any length; also makes an id from a URL harmless to look up."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class JsonValue(Protocol):
    """A frozen value of `core` that can be written as a dictionary and read back."""

    def to_dict(self) -> dict[str, Any]: ...

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self: ...


class JsonOf(TypeDecorator[JsonValue]):
    """One kind of frozen value as a JSON text."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[JsonValue]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: JsonValue | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value.to_dict())

    def process_result_value(self, value: str | None, dialect: Dialect) -> JsonValue | None:
        if value is None:
            return None
        try:
            return self.kind.from_dict(json.loads(value))
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise StorageError(
                "The database holds a damaged {kind} ({fault}); restore a backup of the database "
                "or delete the conversation.",
                kind=self.kind.__name__,
                fault=fault,
            ) from fault
