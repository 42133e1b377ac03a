"""Values of a file from anywhere: read with their type, and named by their place where they are wrong."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from glmcore.core.errors import DataError
from glmcore.core.i18n import mark
from glmcore.storage.columns import storable

MAX_TEXT_CHARACTERS = 64 << 20
TOLD_CHARACTERS = 60  # of a wrong value, in a sentence
LATEST_TIME = 4_102_444_800.0  # 2100: what is later is no time
MOST_NANOSECONDS = LATEST_TIME * 1e9
SECONDS_AT_MOST = 1e11  # what is more was counted in milliseconds, or smaller
_KINDS = {dict: mark("an object"), list: mark("a list"), type(None): mark("nothing")}


class Fields:
    """An object of the file.

    Args:
        at: where it is, such as `messages[3]`; empty for the conversation itself.
    """

    def __init__(self, values: Any, at: str = "") -> None:
        self.at = at
        if not isinstance(values, dict):
            raise wrong(at or "conversation", values, mark("an object"))
        self.values = values

    def place(self, name: str) -> str:
        return f"{self.at}.{name}" if self.at else name

    def wrong(self, name: str, expected: str) -> DataError:
        return wrong(self.place(name), self.values.get(name), expected)

    def text(self, name: str) -> str:
        value = self.optional_text(name)
        if value is None:
            raise self.wrong(name, mark("a text"))
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.values.get(name)
        return None if value is None else checked_text(value, self.place(name))

    def flag(self, name: str) -> bool:
        return self.values.get(name) is True

    def number(self, name: str) -> float | None:
        """A finite number that is not negative."""
        value = self.values.get(name)
        if value is None:
            return None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < 1e15:
            raise self.wrong(name, mark("a number that is not negative"))
        return float(value)

    def count(self, name: str) -> int:
        return int(self.number(name) or 0)

    def seconds(self, name: str) -> float | None:
        return seconds_of(self.values.get(name))

    def inner(self, name: str) -> "Fields":
        return Fields(self.values.get(name), self.place(name))

    def optional_inner(self, name: str) -> "Fields | None":
        return None if self.values.get(name) is None else self.inner(name)

    def list(self, name: str) -> "list[Any]":
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.wrong(name, mark("a list"))
        return value

    def each(self, name: str) -> "Iterator[Fields]":
        """The objects of a list."""
        for number, value in enumerate(self.list(name)):
            yield Fields(value, f"{self.place(name)}[{number}]")


def checked_text(value: Any, place: str) -> str:
    """A text that a database can keep.

    Raises:
        DataError: it is no text, or too long.
    """
    if not isinstance(value, str):
        raise wrong(place, value, mark("a text"))
    if len(value) > MAX_TEXT_CHARACTERS:
        raise DataError(
            "{field}: a text of {count:,} characters; expected at most {limit:,}.",
            field=place,
            count=len(value),
            limit=MAX_TEXT_CHARACTERS,
        )
    return storable(value)


def wrong(field: str, value: Any, expected: str) -> DataError:
    """The sentence for a value of the wrong kind; `expected` is a text of the catalogue."""
    found = _KINDS.get(type(value)) or repr(value)[:TOLD_CHARACTERS]
    return DataError(
        "{field}: found {found}, expected {expected}.",
        field=storable(field),
        found=storable(found),
        expected=expected,
    )


def seconds_of(value: Any) -> float | None:
    """A time in seconds since 1970 of seconds, milliseconds, microseconds or ISO 8601; None for no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MOST_NANOSECONDS:
        return None
    for _unit in range(3):
        if value > SECONDS_AT_MOST:
            value /= 1000
    return float(value) if value < LATEST_TIME else None
