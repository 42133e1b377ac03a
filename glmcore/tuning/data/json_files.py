"""JSON files as rows: an object per line, or one array of objects, whatever the file's ending is.

Not through `datasets` 5.2: its reader turns texts that look like dates into dates, writes a text as
`"text"` with its quotation marks where another row has a number, reads a whole array into memory, and names
no line when one is broken.
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from glmcore.core.errors import DataError
from glmcore.core.i18n import mark
from glmcore.tuning.data.text_files import MAX_ROW_CHARACTERS, iter_lines, open_text, row_too_long

CHUNK_CHARACTERS = 1 << 16
LONGEST_SIGN = 16  # no number of a usual size, word or escape of JSON is longer


def iter_json(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and values of each row; of an array, the place in it, from 1."""
    with open_text(path, encoding, newline="\n") as file:
        sign = file.read(1)
        while sign.isspace():
            sign = file.read(1)
        file.seek(0)
        yield from _ArrayWindow(path, file).rows() if sign == "[" else _iter_json_lines(path, file)


def _iter_json_lines(path: Path, file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(iter_lines(path, file), start=1):
        if line.isspace():
            continue
        try:
            values = json.loads(line.rstrip())  # or what is missing at the end seems to be on the next line
        except (ValueError, RecursionError) as fault:
            raise DataError(
                "{path}, line {line}, character {character}: broken JSON ({fault}); expected one object per "
                "line, or one array of objects.",
                path=path,
                line=number,
                character=fault.pos + 1 if isinstance(fault, json.JSONDecodeError) else 1,
                fault=_reason(fault),
            ) from None
        yield number, _checked(path, number, values)


class _ArrayWindow:
    """A window that moves over the text of an array, so that memory holds some elements, not the file."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._text, self._position = "", 0
        self._line = 1  # of the window's first character
        self._number = 0  # of the element that was read last
        self._decoder = json.JSONDecoder()

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        self._next_sign()  # the opening bracket
        if self._peek() == "]":
            self._next_sign()
        else:
            for self._number in count(1):
                yield self._number, _checked(self._path, self._number, self._next_element())
                sign = self._next_sign()
                if sign == "]":
                    break
                if sign != ",":
                    raise self._broken_here(mark("expected ',' or ']' after an element"))
        if self._peek():
            raise self._broken_here(mark("expected nothing after the array"))

    def _next_element(self) -> Any:
        self._peek()
        while True:
            try:
                value, self._position = self._decoder.raw_decode(self._text, self._position)
                return value
            except (ValueError, RecursionError) as fault:
                ahead = fault.pos - self._position if isinstance(fault, json.JSONDecodeError) else 0
                if not (_is_perhaps_cut(fault, len(self._text)) and self._read_on()):
                    self._position += ahead
                    raise self._broken_here(_reason(fault)) from None

    def _next_sign(self) -> str:
        sign = self._peek()
        self._position += len(sign)
        return sign

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end of the file."""
        while True:
            while self._position < len(self._text):
                sign = self._text[self._position]
                if not sign.isspace():
                    return sign
                self._position += 1
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        """Forget what is done and read as much as is left, so that a long element is tried few times."""
        self._line += self._text.count("\n", 0, self._position)
        self._text, self._position = self._text[self._position :], 0
        if len(self._text) > MAX_ROW_CHARACTERS:
            raise row_too_long(self._path, self._line)
        more = self._file.read(max(CHUNK_CHARACTERS, len(self._text)))
        self._text += more
        return bool(more)

    def _broken_here(self, fault: str) -> DataError:
        return DataError(
            "{path}, line {line}, element {element} of the array: broken JSON ({fault}).",
            path=self._path,
            line=self._line + self._text.count("\n", 0, self._position),
            element=self._number,
            fault=fault,
        )


def _checked(path: Path, number: int, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise DataError(
            "{path}, row {row}: found {kind}, expected an object with a value for each column.",
            path=path,
            row=number,
            kind=type(values).__name__,
        )
    return values


def _is_perhaps_cut(fault: Exception, length: int) -> bool:
    """Whether the text may only have ended too early: inside a string, or in its last few characters."""
    if not isinstance(fault, json.JSONDecodeError):
        return False
    return fault.msg.startswith("Unterminated string") or fault.pos > length - LONGEST_SIGN


def _reason(fault: Exception) -> str:
    if isinstance(fault, json.JSONDecodeError):
        return fault.msg
    return mark("brackets too deep inside each other, or a number too long")
