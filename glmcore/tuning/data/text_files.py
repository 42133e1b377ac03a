"""Text files of users, line by line in bounded memory, with their faults said as line and byte."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TextIO

from glmcore.core.errors import DataError

MAX_ROW_CHARACTERS = 16 << 20  # a longer row is no row but a broken file, which must not fill the memory
CHUNK_BYTES = 1 << 20


@contextmanager
def open_text(path: Path, encoding: str, newline: str) -> Iterator[TextIO]:
    """Open a file for reading, without a byte order mark.

    Raises:
        DataError: there is no such encoding, or the file does not keep to it; names the first such byte.
    """
    try:
        name = codecs.lookup(encoding).name
        file = path.open(encoding="utf-8-sig" if name == "utf-8" else name, newline=newline)
    except (LookupError, ValueError):  # the second for a name that holds a null character
        raise DataError(
            "There is no text encoding {encoding!r}; usual ones are utf-8, gb18030 and utf-16.",
            encoding=encoding,
        ) from None
    try:
        with file:
            yield file
    except UnicodeError:
        raise _wrong_encoding(path, name) from None


def iter_lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines with their ends.

    Raises:
        DataError: a line holds a null byte, or is longer than any row.
    """
    for number in count(1):
        line = file.readline(MAX_ROW_CHARACTERS)
        if not line:
            return
        if "\0" in line:
            raise DataError(
                "{path}, line {line}: found a null byte, which no text has; copy the file again, or set "
                "encoding, e.g. to utf-16.",
                path=path,
                line=number,
            )
        if len(line) == MAX_ROW_CHARACTERS:
            raise row_too_long(path, number)
        yield line


def row_too_long(path: Path, line: int) -> DataError:
    return DataError(
        "{path}, line {line}: the row that begins here has more than {limit} characters; "
        "is a bracket, quotation mark or line end missing?",
        path=path,
        line=line,
        limit=MAX_ROW_CHARACTERS,
    )


def _wrong_encoding(path: Path, encoding: str) -> DataError:
    """Read again to find the byte: the reader of lines knows its place in its own buffer only."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, line = 0, 1  # of what is to be decoded next
    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        waiting = b""  # an unfinished character at the end of the last chunk
        while True:
            chunk = file.read(CHUNK_BYTES)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeError as fault:
                good = (waiting + chunk)[: getattr(fault, "start", 0)]
                position, line = position + len(good), line + good.count(b"\n")
                break
            if not chunk:
                break
            decoded = len(waiting) + len(chunk)
            waiting = decoder.getstate()[0]
            position, line = position + decoded - len(waiting), line + chunk.count(b"\n")
    is_utf_16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return DataError(
        "{path}, line {line}: byte {position} is not {encoding}; set encoding to what the file was "
        "written in (e.g. encoding={likely}), or save it as UTF-8.",
        path=path,
        line=line,
        position=position + 1,
        encoding=encoding,
        likely="utf-16" if is_utf_16 else "gb18030" if encoding.startswith("utf") else "utf-8",
    )
