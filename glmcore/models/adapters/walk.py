"""Walks through folders again and again, and looks closer only where something has changed since.

A page lists the adapters at every rerun. Asking a folder when it was changed costs microseconds; reading
what lies in it costs a hundred times that.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Generic, TypeVar

Found = TypeVar("Found")
Stamp = tuple[tuple[int, int, int], ...]

SETTLED_NS = 1_000_000_000  # what changed later than this before a look may change within the same tick


@dataclass(frozen=True, slots=True)
class _Folder(Generic[Found]):
    """What a look at a folder gave; true as long as its stamp stays the same."""

    stamp: Stamp
    files: tuple[str, ...]  # those of the telling files that are there
    found: Found | None
    children: tuple[str, ...]


class FolderWalk(Generic[Found]):
    """All that `look` finds in the folders below a root; every member may be used from any thread.

    Args:
        levels: how many folders deep.
        telling: names of the files whose content `look` reads.
        look: gives what a folder holds, or None; what it finds is not searched any deeper.
    """

    def __init__(
        self, root: Path, levels: int, telling: tuple[str, ...], look: Callable[[Path], Found | None]
    ) -> None:
        self._root, self._levels, self._telling, self._look_into = str(root), levels, telling, look
        self._known: dict[str, _Folder[Found]] = {}

    def items(self) -> list[tuple[str, Found]]:
        """What there is now by its path, "" for the root itself; unreadable folders are skipped."""
        seen: dict[str, _Folder[Found]] = {}
        items = sorted(self._walk("", self._levels, seen), key=itemgetter(0))
        self._known = seen  # not changed in place: another thread may be walking; what has gone is forgotten
        return items

    def _walk(self, path: str, levels: int, seen: dict[str, _Folder[Found]]) -> Iterator[tuple[str, Found]]:
        try:
            folder = self._look(path)
        except OSError:
            return
        if folder.stamp and time.time_ns() - max(changed for changed, _, _ in folder.stamp) > SETTLED_NS:
            seen[path] = folder
        if folder.found is not None:
            yield path, folder.found
        elif levels:
            for child in folder.children:
                yield from self._walk(f"{path}/{child}" if path else child, levels - 1, seen)

    def _look(self, path: str) -> _Folder[Found]:
        folder, known = f"{self._root}/{path}", self._known.get(path)
        if known is not None and known.stamp == _stamp(folder, known.files):
            return known
        before = _stamp(folder, ())
        with os.scandir(folder) as entries:
            names = {entry.name: entry.is_dir() for entry in entries}
        files = tuple(name for name in self._telling if name in names)
        stamp = _stamp(folder, files)
        found = self._look_into(Path(folder))
        children = tuple(name for name, is_folder in names.items() if is_folder and not name.startswith("."))
        return _Folder(stamp if stamp[:1] == before else (), files, found, children)


def _stamp(folder: str, files: tuple[str, ...]) -> Stamp:
    """When a folder and the files in it were changed, with what tells another file of the same age."""
    looked = [os.stat(folder)]
    for name in files:
        try:
            looked.append(os.stat(f"{folder}/{name}"))
        except OSError:  # gone since; the folder's own time tells that from now on
            return ()
    return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in looked)
