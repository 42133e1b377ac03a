"""Hugging Face's `trainer_state.json`: one document that is written anew at every checkpoint.

Each holds the whole history up to its step, so one of a folder and its checkpoints is enough: the one that
was written last, or one that goes on from it, since in a folder that was copied times say nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glmcore.core.errors import DataError
from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import TOTAL_STEPS
from glmcore.curves.logs.tail import GONE
from glmcore.curves.logs.trainer_state import TrainerStateFacts, parse_trainer_state
from glmcore.curves.table import Block, PointTable

LARGEST_BYTES = 512 << 20
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,12})")

UNREADABLE = mark("{count} times trainer_state.json could not be read: {example}")


@dataclass(frozen=True, slots=True)
class _Document:
    """A file as it is now. `step` is in the name of its folder; None for that of the run itself."""

    path: Path
    step: int | None
    inode: int
    size: int
    changed_ns: int


class StateLog:
    """The furthest trainer_state.json of a run, read again when one has changed."""

    def __init__(self, list_files: Callable[[], Sequence[Path]]) -> None:
        self._list_files = list_files
        self._seen: list[_Document] = []
        self._problems = Problems()
        self.table = PointTable()
        self.memory: dict[str, Any] = {}
        self.changed_at, self.unread_bytes, self.read_bytes = 0.0, 0, 0

    @property
    def problems(self) -> list[Problems]:
        return [self._problems]

    def refresh(self, deadline: float = float("inf")) -> bool:
        """Look for changed documents; one is small enough to be read whatever the deadline."""
        documents = self._documents()
        if not documents or documents == self._seen:
            return False
        self._seen = documents
        self._problems = Problems()  # those of the documents as they are now
        by_time = sorted(documents, key=lambda one: one.changed_ns, reverse=True)
        self.changed_at = by_time[0].changed_ns / 1e9
        best = None
        for newest in by_time:
            best = self._read(newest)
            if best or len(self.table):
                break
        if best is None:  # half-written: the points read before stay
            return False
        for other in _further(documents, newest, best[1].global_step or 0.0):
            found = self._read(other)
            if found and _goes_on(best[0], found[0]):
                best = found
        block, facts = best
        self.table = PointTable()
        self.table.append(block)
        if facts.max_steps:
            self.memory[TOTAL_STEPS] = facts.max_steps
        return True

    def _documents(self) -> list[_Document]:
        found = []
        for path in self._list_files():
            try:
                facts = path.stat()
            except OSError:
                continue  # a checkpoint that was removed meanwhile
            step = _CHECKPOINT.fullmatch(path.parent.name)
            found.append(
                _Document(
                    path, int(step[1]) if step else None, facts.st_ino, facts.st_size, facts.st_mtime_ns
                )
            )
        return found

    def _read(self, document: _Document) -> tuple[Block, TrainerStateFacts] | None:
        path = document.path
        try:
            if document.size > LARGEST_BYTES:
                raise DataError(
                    "{path} is larger than {limit} MiB and was not read.",
                    path=path.name,
                    limit=LARGEST_BYTES >> 20,
                )
            self.read_bytes += document.size
            return parse_trainer_state(path.read_bytes())
        except OSError as fault:
            self._problems.add(GONE, f"{path.name}: {fault.strerror}")
        except DataError as error:
            self._problems.add(UNREADABLE, str(error))
        return None


def _further(documents: Sequence[_Document], newest: _Document, reached: float) -> list[_Document]:
    """Those that may hold more than the newest: the checkpoint of the highest step, and the run's own."""
    later = [one for one in documents if one.step is not None and one.step > reached and one is not newest]
    own = [one for one in documents if one.step is None and one is not newest]
    return [*sorted(later, key=lambda one: one.step or 0)[-1:], *own]


def _goes_on(block: Block, longer: Block) -> bool:
    """Whether a history begins with all of another one."""
    count = len(block.steps)
    if len(longer.steps) <= count or not np.array_equal(block.steps, longer.steps[:count], equal_nan=True):
        return False
    for name, (rows, values) in block.metrics.items():
        _, others = longer.metrics.get(name, (rows, values[:0]))
        if not np.array_equal(values, others[: len(values)], equal_nan=True):
            return False
    return True
