"""How far each file of a log was read, and which file is which after it was rotated, cut or written anew.

A file is known by its inode and by the bytes just before the place where reading ended. So a log that
rotation renamed, or copied and then cut, is gone on with, and one that was written anew is told from it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

MARK_BYTES = 64

Files = Sequence[tuple[Path, os.stat_result]]


@dataclass(slots=True)
class Place:
    """How far a file was read.

    Attributes:
        mark: the last bytes before `offset`, as hexadecimal digits.
        size: of the file when all of it had been read, with the time of its last change.
        is_settled: its last line was read also without its line end.
    """

    name: str
    inode: int
    offset: int = 0
    mark: str = ""
    size: int = -1
    changed_ns: int = 0
    is_settled: bool = False

    def went_on(self, data: bytes) -> None:
        before = bytes.fromhex(self.mark) if len(data) < MARK_BYTES else b""
        self.mark = (before + data)[-MARK_BYTES:].hex()
        self.offset += len(data)

    def is_at_end(self, facts: os.stat_result) -> bool:
        """Whether the file has not changed since all of it was read."""
        return (self.size, self.changed_ns) == (facts.st_size, facts.st_mtime_ns)

    def is_in(self, path: Path, facts: os.stat_result) -> bool:
        """Whether a file holds what was read, as far as the mark tells."""
        if facts.st_size < self.offset:
            return False
        if not self.mark or (self.inode == facts.st_ino and self.is_at_end(facts)):
            return True
        known = bytes.fromhex(self.mark)
        try:
            with path.open("rb") as file:
                file.seek(self.offset - len(known))
                return file.read(len(known)) == known
        except OSError:
            return True  # said when it is read


def places_in(files: Files, known: Mapping[int, Place]) -> dict[int, Place] | None:
    """Where to go on in files, by inode; those that are not in it are new.

    Returns:
        None where reading must begin anew: a file was cut or written anew, all were replaced, or one has
        come to light that was written before others that are read already.
    """
    placed: dict[int, Place] = {}
    cut: list[Place] = []
    strange: list[tuple[Path, os.stat_result]] = []
    for path, facts in files:
        place = known.get(facts.st_ino)
        if place is not None and place.is_in(path, facts):
            placed[facts.st_ino] = place
            place.name = path.name
        elif place is not None and place.name == path.name:
            cut.append(place)
        else:  # also a new file that got the number of one that was removed
            strange.append((path, facts))
    for path, facts in strange:  # some rotations copy a log before they cut it
        for original in [*placed.values(), *cut]:
            if original.mark and original.is_in(path, facts):
                placed[facts.st_ino] = replace(original, name=path.name, inode=facts.st_ino, size=-1)
                break
    if not placed or not all(_has_copy(place, files) for place in cut):
        return None
    if _is_late(files, placed):
        return None
    inodes = {facts.st_ino for _, facts in files}
    return {inode: place for inode, place in known.items() if inode not in inodes} | placed


def _has_copy(place: Place, files: Files) -> bool:
    return any(
        facts.st_ino != place.inode and bool(place.mark) and place.is_in(path, facts) for path, facts in files
    )


def _is_late(files: Files, placed: Mapping[int, Place]) -> bool:
    """Whether something stands in a new file that belongs before what was read already."""
    is_new = False
    for _, facts in files:
        place = placed.get(facts.st_ino)
        if place is None:
            is_new |= facts.st_size > 0
        elif is_new and place.offset:
            return True
    return False
