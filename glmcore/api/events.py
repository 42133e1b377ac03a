"""Lines of a file that grows, each with the place after it, from which another reader goes on exactly.

A place fits into the id of a server-sent event: how many bytes come before, and a checksum of the last of
them, by which a file that was cut or written anew is known. Nothing is kept open between two looks.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from zlib import crc32

from glmcore.jobs.log_tail import open_at_once

READ_BYTES = 64 << 10  # at once; without a line end in so many, they count as a line
MARK_BYTES = 64
PLACE = re.compile(r"([0-9a-f]{1,12})-([0-9a-f]{1,8})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line begins; `mark` is the checksum of what comes right before it."""

    offset: int = 0
    mark: int = 0

    def __str__(self) -> str:
        return f"{self.offset:x}-{self.mark:x}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """Read back what `str` gave; None where that is something else."""
        found = PLACE.fullmatch(text)
        return cls(int(found[1], 16), int(found[2], 16)) if found else None


@dataclass(frozen=True, slots=True)
class Piece:
    """What one look found.

    Attributes:
        lines: each with the place after it.
        is_anew: they are the first ones: the file is not any more what it was up to the place.
        is_behind: there is more to be read at once.
    """

    lines: tuple[tuple[bytes, Place], ...] = ()
    is_anew: bool = False
    is_behind: bool = False


def read_on(path: Path, place: Place, *, is_complete: bool) -> Piece:
    """The lines from a place on; none of a file that is not there.

    Args:
        is_complete: nobody writes any more, so that what stands behind the last line end is a line too.
    """
    for file, _size in _opened(path):
        before = min(MARK_BYTES, place.offset)
        file.seek(place.offset - before)
        data = file.read(before + READ_BYTES)
        if len(data) >= before and crc32(data[:before]) == place.mark:
            return _lines(data, before, place.offset, is_anew=False, is_complete=is_complete)
        file.seek(0)
        return _lines(file.read(READ_BYTES), 0, 0, is_anew=True, is_complete=is_complete)
    return Piece()


def near_end(path: Path) -> Place:
    """Where to begin for the last READ_BYTES of lines; the beginning of a file that has no more."""
    for file, size in _opened(path):
        if size > READ_BYTES:
            file.seek(size - READ_BYTES - 1)
            data = file.read(READ_BYTES)
            end = data.find(b"\n", MARK_BYTES) + 1 or len(data)
            return Place(size - READ_BYTES - 1 + end, crc32(data[end - MARK_BYTES : end]))
    return Place()


def _opened(path: Path) -> Iterator[tuple[FileIO, int]]:
    """The file with its size, if there is one."""
    with suppress(OSError), open(path, "rb", buffering=0, opener=open_at_once) as file:
        facts = os.fstat(file.fileno())
        if stat.S_ISREG(facts.st_mode):
            yield file, facts.st_size


def _lines(data: bytes, begin: int, offset: int, *, is_anew: bool, is_complete: bool) -> Piece:
    """Cut the data behind `begin`, which is at `offset` in the file, into lines."""
    is_behind = len(data) - begin >= READ_BYTES
    end = data.rfind(b"\n", begin) + 1 or begin
    if (is_behind and end == begin) or (is_complete and not is_behind):
        end = len(data)
    lines: list[tuple[bytes, Place]] = []
    at = begin
    while at < end:
        after = data.find(b"\n", at, end) + 1 or end
        mark = crc32(data[max(0, after - MARK_BYTES) : after])
        lines.append((data[at:after].removesuffix(b"\n"), Place(offset + after - begin, mark)))
        at = after
    return Piece(tuple(lines), is_anew, is_behind)
