"""The answers in the folder of a job: which there are, how good they are, and their rows as one table."""

import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glmcore.curves.numbers import parse_number
from glmcore.jobs.answer_lines import AnswerLines, Answers
from glmcore.jobs.prediction_table import PredictionTable, pair
from glmcore.tuning.run_folder import RunFolder, read_whole

BASE = "base"
ROWS_FILE, RESULTS_FILE = "predictions.jsonl", "results.json"
MOST_RESULTS_BYTES = 1 << 20  # a larger file is none of ours
MOST_FILES = 8  # that are remembered
READ_SECONDS = 1.5  # in which something is shown; the next call reads on
STEP = re.compile(r"checkpoint-([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """What one model answered.

    Attributes:
        checkpoint: its name, or "base".
        results: what `predict` found over all rows; empty until all are answered.
        changed: when its last row was answered, in seconds since 1970.
    """

    path: Path
    checkpoint: str
    results: Mapping[str, Any] = field(default_factory=dict)
    changed: float = 0.0

    @property
    def is_base(self) -> bool:
        return self.checkpoint == BASE

    @property
    def step(self) -> int | None:
        """That of the checkpoint, where its name tells."""
        return step_of(self.checkpoint)

    @property
    def num_rows(self) -> int | None:
        count = self.score("num_rows")
        return None if count is None else int(count)

    def score(self, name: str) -> float | None:
        """A number of the results, if it is one."""
        number = parse_number(self.results.get(name))
        return number if number is not None and math.isfinite(number) else None


class PredictionReader:
    """Reads files of answers again and again, each from where it was left. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[Path, _Watched] = OrderedDict()  # the one asked for last is the last

    def read_pairs(
        self, tuned: PredictionSet, base: PredictionSet | None, seconds: float = READ_SECONDS
    ) -> PredictionTable:
        """The rows of one or two sets, as far as they can be read in some seconds.

        Where the table is not whole, the next call goes on.
        """
        deadline = time.monotonic() + seconds
        found = [self._watched(one.path / ROWS_FILE).read(deadline) for one in (tuned, base) if one]
        (ours, theirs) = found if base else (found[0], None)
        num_unreadable = sum(one.num_unreadable for one in found)
        is_whole = all(one.is_whole for one in found)
        return pair(ours.answers, theirs.answers if theirs else None, num_unreadable, is_whole)

    def _watched(self, path: Path) -> "_Watched":
        with self._lock:
            watched = self._files.pop(path, None) or _Watched(path)
            self._files[path] = watched
            if len(self._files) > MOST_FILES:
                self._files.popitem(last=False)
        return watched


def list_predictions(folder: RunFolder) -> list[PredictionSet]:
    """What was answered in the folder of a run or a job, the earliest first."""
    return sorted(_iter_sets(folder), key=lambda one: one.changed)


def newest_pair(sets: Sequence[PredictionSet]) -> tuple[PredictionSet | None, PredictionSet | None]:
    """The answers to look at and the base's beside them; the base's alone where there are no others."""
    tuned = [one for one in sets if not one.is_base]
    base = [one for one in sets if one.is_base]
    if not tuned:
        return (base[-1] if base else None), None
    return tuned[-1], (base[-1] if base else None)


def step_of(checkpoint: str) -> int | None:
    found = STEP.fullmatch(checkpoint)
    return int(found[1]) if found else None


def _iter_sets(folder: RunFolder) -> Iterator[PredictionSet]:
    try:
        paths = [path for path in folder.predictions.iterdir() if (path / ROWS_FILE).is_file()]
    except OSError:
        return
    for path in paths:
        results = path / RESULTS_FILE
        try:
            changed = (path / ROWS_FILE).stat().st_mtime
            is_ours = results.is_file() and results.stat().st_size <= MOST_RESULTS_BYTES
        except OSError:  # removed since
            continue
        checkpoint = path.name.rpartition("-")[0] or path.name  # after it comes how it was answered
        yield PredictionSet(path, checkpoint, read_whole(results) if is_ours else {}, changed)


@dataclass(frozen=True, slots=True)
class _Look:
    answers: Answers
    num_unreadable: int
    is_whole: bool


class _Watched:
    """One file for several threads."""

    def __init__(self, path: Path) -> None:
        self._lock, self._lines = threading.Lock(), AnswerLines(path)

    def read(self, deadline: float) -> _Look:
        with self._lock:
            is_whole = self._lines.read(deadline)
            return _Look(self._lines.answers(), self._lines.num_unreadable, is_whole)
