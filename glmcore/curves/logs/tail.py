"""Reads the files of one log from where the last call ended, and notices when they are not the same any more.

A file is known by its inode and by the bytes just before the place where reading ended, so a log that was
renamed by rotation is gone on with, and one that was cut or written anew is read again from its beginning.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Parser, Problems
from glmcore.curves.table import PointTable

CHUNK_BYTES = 4 << 20
LONGEST_RECORD = 32 << 20
MARK_BYTES = 64
SETTLED_SECONDS = 10.0  # unchanged for so long, a last line without its end is taken as it is

REPLACED = mark("{count} times the log was cut or written anew; it was read again from its beginning.")
GONE = mark("{count} files of the log could not be opened ({example}); their earlier points are kept.")
TOO_LONG = mark("{count} pieces of more than 32 MiB hold no whole record and were skipped ({example}).")


@dataclass(slots=True)
class Place:
    """How far a file was read. `mark` are the last bytes before `offset`, as hexadecimal digits."""

    inode: int
    offset: int = 0
    mark: str = ""
    size: int = -1
    changed_ns: int = 0
    is_settled: bool = False


class Tail:
    """One log: its files in the order they were written, its parser, and the points read so far."""

    def __init__(
        self,
        list_files: Callable[[], Sequence[Path]],
        make_parser: Callable[[dict[str, Any]], Parser],
        *,
        table: PointTable | None = None,
        places: Sequence[Place] = (),
        memory: dict[str, Any] | None = None,
        problems: Problems | None = None,
    ) -> None:
        """Open a log, or go on from what another process read."""
        self._list_files, self._make_parser = list_files, make_parser
        self.table = table or PointTable()
        self._places = {place.inode: place for place in places}
        self._parser = make_parser(dict(memory or {}))
        if problems is not None:
            self._parser.problems = problems
        self._own_problems = Problems()
        self.changed_at, self.unread_bytes, self.read_bytes = 0.0, 0, 0

    @property
    def problems(self) -> list[Problems]:
        return [self._parser.problems, self._own_problems]

    @property
    def memory(self) -> dict[str, Any]:
        return self._parser.memory

    @property
    def places(self) -> list[dict[str, Any]]:
        return [asdict(place) for place in self._places.values()]

    def refresh(self, deadline: float = float("inf")) -> bool:
        """Read what was appended, until nothing is left or `time.monotonic()` passes the deadline.

        Returns:
            Whether there is anything new. `unread_bytes` says what is left.
        """
        files = self._stat_files()
        if self._is_another_log(files):
            self._start_anew()
        is_new = False
        self.unread_bytes = 0
        for path, facts in files:
            place = self._places.setdefault(facts.st_ino, Place(facts.st_ino))
            try:
                is_new |= self._read_on(path, place, facts, deadline)
            except OSError as fault:
                self._own_problems.add(GONE, f"{path.name}: {fault.strerror}")
            self.unread_bytes += max(0, facts.st_size - place.offset) if not place.is_settled else 0
        return is_new

    def _stat_files(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self._list_files():
            try:
                facts = path.stat()
            except OSError as fault:
                if path.name not in self._own_problems.examples.get(GONE, ""):
                    self._own_problems.add(GONE, f"{path.name}: {fault.strerror}")
                continue
            found.append((path, facts))
        if found:
            self.changed_at = max(facts.st_mtime for _, facts in found)
        return found

    def _is_another_log(self, files: Sequence[tuple[Path, os.stat_result]]) -> bool:
        """Whether what was read is not in these files any more: cut, written anew, or replaced."""
        if not files or not self._places:
            return False
        if not {facts.st_ino for _, facts in files} & set(self._places):
            return True
        return any(
            facts.st_ino in self._places and not _still_holds(path, facts, self._places[facts.st_ino])
            for path, facts in files
        )

    def _start_anew(self) -> None:
        self._own_problems.add(REPLACED)
        self.table, self._places, self._parser = PointTable(), {}, self._make_parser({})

    def _read_on(self, path: Path, place: Place, facts: os.stat_result, deadline: float) -> bool:
        is_settled = time.time() - facts.st_mtime > SETTLED_SECONDS
        is_unchanged = (place.size, place.changed_ns) == (facts.st_size, facts.st_mtime_ns)
        if is_unchanged and (place.is_settled or not is_settled):
            return False
        is_new = False
        with path.open("rb") as file:
            file.seek(place.offset)
            wanted = CHUNK_BYTES
            while place.offset < facts.st_size and time.monotonic() < deadline:
                data = file.read(min(wanted, facts.st_size - place.offset))
                is_last = place.offset + len(data) >= facts.st_size
                block, used = self._parser.parse(data, at_end=is_last and is_settled)
                if len(block.steps):
                    self.table.append(block)
                    is_new = True
                if not used and not is_last:
                    if wanted < LONGEST_RECORD:  # a long record: offer more of it
                        wanted *= 2
                        file.seek(place.offset)
                        continue
                    self._own_problems.add(TOO_LONG, path.name)
                    used = len(data)
                self._went_on(place, data, used)
                if used < len(data):
                    if is_last:  # the beginning of what is to come
                        break
                    file.seek(place.offset)
                wanted = CHUNK_BYTES
            else:
                if place.offset < facts.st_size:  # out of time
                    return is_new
        place.size, place.changed_ns, place.is_settled = facts.st_size, facts.st_mtime_ns, is_settled
        return is_new

    def _went_on(self, place: Place, data: bytes, used: int) -> None:
        if used:
            before = bytes.fromhex(place.mark) if used < MARK_BYTES else b""
            place.mark = (before + data[:used])[-MARK_BYTES:].hex()
            place.offset += used
            self.read_bytes += used


def _still_holds(path: Path, facts: os.stat_result, place: Place) -> bool:
    """Whether a file still begins with what was read of it."""
    if facts.st_size < place.offset:
        return False
    if (place.size, place.changed_ns) == (facts.st_size, facts.st_mtime_ns) or not place.mark:
        return True
    known = bytes.fromhex(place.mark)
    try:
        with path.open("rb") as file:
            file.seek(place.offset - len(known))
            return file.read(len(known)) == known
    except OSError:
        return True  # said when it is read
