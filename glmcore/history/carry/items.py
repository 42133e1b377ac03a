"""The conversations of a file as they are met, each with its place, whatever the file's ending is.

A file holds an array of them, an object of our own form with such an array, one after the other, or one in
each line; only in the last a broken one does not hide those behind it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from glmcore.core.errors import DataError, GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.history.carry.json_values import JsonValues
from glmcore.history.carry.our_form import FORMAT, check_version

HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the file, or why it is none."""

    place: Note
    value: Any = None
    fault: GlmcoreError | None = None
    is_ours: bool = False


def iter_items(name: str, pieces: Iterator[bytes]) -> Iterator[Item]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    pieces = chain([head], pieces)
    yield from _lines(pieces) if _has_lines(name, head) else _stream(pieces)


def _has_lines(name: str, head: bytes) -> bool:
    if name.lower().endswith((".jsonl", ".ndjson")):
        return True
    first, _newline, rest = head.lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest.strip():
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _stream(pieces: Iterator[bytes]) -> Iterator[Item]:
    values = _values()
    number = 0
    try:
        for value in chain(chain.from_iterable(map(values.feed, pieces)), values.end()):
            number += 1
            yield _item(Note(mark("conversation {number}"), {"number": number}), value, values)
    except DataError as fault:
        yield Item(Note(mark("conversation {number}"), {"number": number + 1}), fault=fault)


def _lines(pieces: Iterator[bytes]) -> Iterator[Item]:
    line = _Line(1)
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for part in ended:
            line.feed(part + b"\n")
            yield from line.items()
            line = _Line(line.number + 1)
        line.feed(rest)
    line.feed(b"\n")  # ends a number
    yield from line.items()


class _Line:
    """What has been read of one line."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._values: JsonValues | None = None  # made when there is something to read
        self._found: list[Any] = []
        self._is_broken = False

    def feed(self, part: bytes) -> None:
        if self._values is None:
            if not part.strip():
                return
            self._values = _values()
        if self._is_broken:
            return
        try:
            self._found += self._values.feed(part)
        except DataError:
            self._is_broken = True

    def items(self) -> Iterator[Item]:
        if self._values is None:
            return
        place = Note(mark("line {number}"), {"number": self.number})
        try:
            self._found += self._values.end()
        except DataError:
            self._is_broken = True
        for value in self._found:
            yield _item(place, value, self._values)
        if self._is_broken or not self._found:
            yield Item(place, fault=DataError("broken JSON; expected one whole object in the line."))


def _values() -> JsonValues:
    return JsonValues(("format", FORMAT), "conversations")


def _item(place: Note, value: Any, values: JsonValues) -> Item:
    if values.header is not None:
        try:
            check_version(values.header)
        except DataError as fault:
            return Item(place, fault=fault)
    if isinstance(value, GlmcoreError):
        return Item(place, fault=value)
    return Item(place, value, is_ours=values.header is not None)
