"""The end of a job's log, whatever was written there: bounded in memory, at the cost of what was appended.

A line is what a terminal would show of it: of a progress bar the last state, no colours. Control characters
become U+FFFD. Half a line counts as a line until the rest of it comes.
"""

import os
import re
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

LINES, LINE_CHARACTERS, READ_BYTES = 500, 2_000, 256 << 10
SECONDS_BETWEEN = 0.3

_LINE_BYTES = 4 * (LINE_CHARACTERS + 1)  # one more character shows that something was cut
_KNOWN_BYTES = 64  # so many before the place where the last call ended tell a file that was written anew
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
# Also those that turn the direction of a text or break a line where no reader expects it.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


@dataclass(slots=True)
class _Place:
    """Where in a file reading stopped.

    Attributes:
        skips: whether one that is far behind goes on near the end, as one does that begins.
    """

    path: Path
    skips: bool
    inode: int | None = None
    offset: int = 0
    known: bytes = b""

    def read(self) -> tuple[bytes, bool]:
        """What was appended, at most READ_BYTES of it, and whether it begins anew."""
        with suppress(OSError), open(self.path, "rb", buffering=0, opener=open_at_once) as file:
            facts = os.fstat(file.fileno())
            if stat.S_ISREG(facts.st_mode):
                return self._read_on(file, facts)
        self._begin(None, 0)
        return b"", True

    def _read_on(self, file: FileIO, facts: os.stat_result) -> tuple[bytes, bool]:
        file.seek(self.offset - len(self.known))
        is_anew = (
            facts.st_ino != self.inode
            or facts.st_size < self.offset
            or file.read(len(self.known)) != self.known
            or (self.skips and facts.st_size - self.offset > READ_BYTES)
        )
        if is_anew:
            self._begin(facts.st_ino, max(0, facts.st_size - READ_BYTES))
        is_cut = is_anew and self.offset > 0
        file.seek(self.offset)
        data = file.read(READ_BYTES)
        self.offset += len(data)
        self.known = (self.known + data)[-_KNOWN_BYTES:]
        _, newline, rest = data.partition(b"\n")
        return rest if is_cut and newline else data, is_anew

    def _begin(self, inode: int | None, offset: int) -> None:
        self.inode, self.offset, self.known = inode, offset, b""


def open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe in the file's place would hold the reader up


@dataclass(slots=True)
class LogTail:
    """The last lines of a log that grows, for one who looks again and again."""

    path: Path
    _place: _Place = field(init=False)
    _lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES), init=False)
    _half: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self._place = _Place(self.path, skips=True)

    def read(self) -> list[str]:
        """The last lines as they are now, at most LINES; none for a file that is not there.

        What was written since the last call is read, at most READ_BYTES of it: from there on back nothing is
        known any more.
        """
        data, is_anew = self._place.read()
        if is_anew:
            self._lines.clear()
            self._half = b""
        # One more than is kept, so that the first, with all that stands before it, falls off.
        *whole, half = data.rsplit(b"\n", LINES + 1)
        if whole:
            whole[0] = self._half + whole[0] if len(whole) <= LINES else b""
            self._lines.extend(shown_line(line) for line in whole)
            self._half = b""
        self._half = _bounded(self._half + half)
        return [*self._lines, *([shown_line(self._half)] if self._half else [])][-LINES:]


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log as it is now, at most LINES."""
    return LogTail(path).read()[-count:] if count > 0 else []


def follow(path: Path, stop: Callable[[], bool]) -> Iterator[str]:
    """The last lines of a log, then each that is appended, until `stop()` and all is read.

    The file need not be there yet. Of one that is replaced or cut the new lines follow.
    """
    place, half = _Place(path, skips=False), b""
    while True:
        is_stopped = stop()  # first: what was written until then is read below
        data, is_anew = place.read()
        if half and (is_anew or (is_stopped and not data)):
            yield shown_line(half)
            half = b""
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield shown_line(half + line)
            half = b""
        half = _bounded(half + rest)
        if data:
            continue
        if is_stopped:
            return
        time.sleep(SECONDS_BETWEEN)


def _bounded(half: bytes) -> bytes:
    """What to keep of a line that goes on: the text since the last return, not more than is shown."""
    # A return at the end is kept: it clears the text before it only if no newline follows.
    text, end = _shown(half), b"\r" if half.endswith(b"\r") else b""
    return text[:_LINE_BYTES] + end


def _shown(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def shown_line(line: bytes) -> str:
    text = _shown(line)[:_LINE_BYTES].decode("utf-8", "replace")
    text = _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text))
    return text if len(text) <= LINE_CHARACTERS else text[: LINE_CHARACTERS - 1] + "…"
