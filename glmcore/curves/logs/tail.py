"""Reads the files of one log from where the last call ended, and notices when they are not the same."""

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Parser, Problems
from glmcore.curves.logs.places import Files, Place, places_in
from glmcore.curves.table import PointTable

CHUNK_BYTES = 512 << 10  # larger ones are not read faster, and parsers take some ten times as much memory
LONGEST_RECORD = 32 << 20
SETTLED_SECONDS = 10.0  # unchanged for so long, a last line without its end is taken as it is

REPLACED = mark("{count} times the log was cut or written anew; it was read again from its beginning.")
GONE = mark("{count} files of the log could not be opened ({example}); their earlier points are kept.")
TOO_LONG = mark("{count} pieces of more than 32 MiB hold no whole record and were skipped ({example}).")


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
        chunk_bytes: int | None = None,
    ) -> None:
        """Open a log, or go on from what another process read; its parser takes `chunk_bytes` at once."""
        self._chunk_bytes = chunk_bytes or CHUNK_BYTES
        self._list_files, self._make_parser = list_files, make_parser
        self.table = table or PointTable()
        self._places = {place.inode: place for place in places}
        self._parser = make_parser(dict(memory or {}))
        if problems is not None:
            self._parser.problems = problems
        self._own_problems = Problems()
        self._gone: set[str] = set()  # names: each is counted once, not at every look
        self.changed_at, self.unread_bytes, self.read_bytes = 0.0, 0, 0

    @property
    def problems(self) -> list[Problems]:
        return [self._parser.problems, self._own_problems]

    @property
    def memory(self) -> dict[str, Any]:
        return self._parser.memory

    @property
    def places(self) -> list[Place]:
        return list(self._places.values())

    def refresh(self, deadline: float = float("inf")) -> bool:
        """Read what was appended, until nothing is left or `time.monotonic()` passes the deadline.

        Returns:
            Whether anything is new. `unread_bytes` says what the deadline left.
        """
        files = self._stat_files()
        is_new = self._look_for_places(files)
        self.unread_bytes = 0
        last = max((at for at, (_, facts) in enumerate(files) if facts.st_size), default=0)
        for at, (path, facts) in enumerate(files):
            place = self._places.setdefault(facts.st_ino, Place(path.name, facts.st_ino))
            # Nothing more comes where a later file has begun.
            is_settled = at < last or time.time() - facts.st_mtime > SETTLED_SECONDS
            if place.is_at_end(facts) and (place.is_settled or not is_settled):
                continue
            try:
                is_new |= self._read_on(path, place, facts, is_settled, deadline)
            except OSError as fault:
                self._miss(path, fault)
                if not place.offset:
                    del self._places[facts.st_ino]
                continue
            if not place.is_at_end(facts):
                self.unread_bytes += max(0, facts.st_size - place.offset)
        return is_new

    def _stat_files(self) -> Files:
        found = []
        for path in self._list_files():
            try:
                facts = path.stat()
            except OSError as fault:
                self._miss(path, fault)
                continue
            if stat.S_ISREG(facts.st_mode):
                found.append((path, facts))
        if found:
            self.changed_at = max(facts.st_mtime for _, facts in found)
        return found

    def _miss(self, path: Path, fault: OSError) -> None:
        if path.name not in self._gone:
            self._gone.add(path.name)
            self._own_problems.add(GONE, f"{path.name}: {fault.strerror}")

    def _look_for_places(self, files: Files) -> bool:
        """Whether what was read is not in these files any more, so that all begins anew."""
        if not files or not self._places:
            return False
        places = places_in(files, self._places)
        if places is not None:
            self._places = places
            return False
        self._own_problems.add(REPLACED)
        self.table, self._places, self._parser = PointTable(), {}, self._make_parser({})
        return True

    def _read_on(
        self, path: Path, place: Place, facts: os.stat_result, is_settled: bool, deadline: float
    ) -> bool:
        is_new = False
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_ino != place.inode:  # replaced since it was looked at
                return False
            wanted = self._chunk_bytes
            while place.offset < facts.st_size:
                if time.monotonic() >= deadline:
                    return is_new
                file.seek(place.offset)
                data = file.read(min(wanted, facts.st_size - place.offset))
                if not data:  # cut since it was looked at
                    return is_new
                is_last = place.offset + len(data) >= facts.st_size
                block, used = self._parser.parse(data, at_end=is_last and is_settled)
                if len(block.steps):
                    self.table.append(block)
                    is_new = True
                if not used and not is_last:
                    if wanted < LONGEST_RECORD:  # a long record: offer more of it
                        wanted *= 2
                        continue
                    self._own_problems.add(TOO_LONG, path.name)
                    used = len(data)
                place.went_on(data[:used])
                self.read_bytes += used
                if is_last and used < len(data):  # the beginning of what is to come
                    break
                wanted = self._chunk_bytes
        place.size, place.changed_ns, place.is_settled = facts.st_size, facts.st_mtime_ns, is_settled
        return is_new
