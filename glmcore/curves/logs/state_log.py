"""Hugging Face's `trainer_state.json`: one document that is written anew at every checkpoint.

Each holds the whole history up to its step, so the newest of a folder and its checkpoints is enough.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glmcore.core.errors import DataError
from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.tail import GONE
from glmcore.curves.logs.trainer_state import parse_trainer_state
from glmcore.curves.table import PointTable

LARGEST_BYTES = 1 << 30

UNREADABLE = mark("{count} times trainer_state.json could not be read: {example}")


class StateLog:
    """The newest trainer_state.json of a run, read again when it has changed."""

    def __init__(self, list_files: Callable[[], Sequence[Path]]) -> None:
        self._list_files = list_files
        self._seen: tuple[str, int, int, int] | None = None
        self._problems = Problems()
        self.table = PointTable()
        self.memory: dict[str, Any] = {}
        self.changed_at, self.unread_bytes, self.read_bytes = 0.0, 0, 0

    @property
    def problems(self) -> list[Problems]:
        return [self._problems]

    @property
    def places(self) -> list[dict[str, Any]]:
        """Nothing to go on from: a changed document is read as a whole."""
        return []

    def refresh(self, deadline: float = float("inf")) -> bool:
        newest = self._newest()
        if newest is None or newest == self._seen:
            return False
        path = Path(newest[0])
        self._seen = newest
        try:
            if newest[2] > LARGEST_BYTES:
                raise DataError("{path} is larger than 1 GiB and was not read.", path=path.name)
            block, facts = parse_trainer_state(path.read_bytes())
        except OSError as fault:
            self._problems.add(GONE, f"{path.name}: {fault.strerror}")
            return False
        except DataError as error:  # half-written: the points read before stay
            self._problems.add(UNREADABLE, str(error))
            return False
        table = PointTable()
        table.append(block)
        self.table = table
        self.read_bytes += newest[2]
        self.changed_at = newest[3] / 1e9
        if facts.max_steps:
            self.memory["total_steps"] = facts.max_steps
        return True

    def _newest(self) -> tuple[str, int, int, int] | None:
        """Path, inode, size and time of change of the document that was written last."""
        found = []
        for path in self._list_files():
            try:
                facts = path.stat()
            except OSError:
                continue  # a checkpoint that was removed meanwhile
            found.append((str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns))
        return max(found, key=lambda one: one[3], default=None)
