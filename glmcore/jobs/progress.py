"""How far a job is, for tables and reports: read from its files, and only what was appended since."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glmcore.curves.logs.json_lines import JsonLines
from glmcore.curves.logs.rows import TOTAL_STEPS
from glmcore.curves.logs.tail import Tail
from glmcore.curves.numbers import parse_number
from glmcore.jobs.folder import JobFolder, read_told
from glmcore.jobs.points import SPARK_POINTS, Points

__all__ = ["SPARK_POINTS", "JobProgress", "ProgressReader"]

READ_SECONDS = 0.5  # of one folder at once; of a log of gigabytes the next call reads on
MOST_FOLDERS = 256  # that are remembered: more than a table shows at once
LARGEST_COUNT = 1 << 53
GOING_ON = ("preparing", "running")
STAGES = (*GOING_ON, "stopped", "failed", "finished")
SAME_CLOCK_SECONDS = 1.0  # a status so much older than its attempt is of an earlier one


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """One moment of a run.

    Attributes:
        stage: the run's own word: "preparing", "running", "stopped", "failed", "finished"; "" before it.
        losses: the training loss, at most SPARK_POINTS of it, the first and the last among them.
        seconds: from its first start to now or its end, without the time between attempts.
    """

    stage: str = ""
    step: int = 0
    total: int | None = None
    epoch: float | None = None
    eta_seconds: float | None = None
    last_loss: float | None = None
    best_loss: float | None = None
    last_eval_loss: float | None = None
    best_eval_loss: float | None = None
    losses: tuple[float, ...] = ()
    seconds: float | None = None
    tokens_per_second: float | None = None
    memory_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "JobProgress":
        """Read back what `to_dict` gave, also after it was JSON; raises TypeError for anything else."""
        return cls(**values | {"losses": tuple(values.get("losses", ()))})


class ProgressReader:
    """Reads folders again and again, each from where it was left. Safe to be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: OrderedDict[Path, _Watched] = OrderedDict()  # the one asked for last is the last

    def read(self, folder: JobFolder, *, attempt_at: float | None = None) -> JobProgress:
        """How far the job in a folder is; whatever lies there, nothing is raised.

        Args:
            attempt_at: when the attempt that goes on now was begun. It makes its seconds go on between two
                signs of life, and what an earlier attempt said about its end is passed over.
        """
        with self._lock:
            watched = self._folders.pop(folder.path, None) or _Watched(folder)
            self._folders[folder.path] = watched
            if len(self._folders) > MOST_FOLDERS:
                self._folders.popitem(last=False)
        return watched.read(attempt_at)


class _Watched:
    """One folder, and how far it was read."""

    def __init__(self, folder: JobFolder) -> None:
        self._lock = threading.Lock()
        self._tail = Tail(lambda: [folder.metrics], JsonLines)
        self._points = Points(self._tail.table)
        self._status_path = folder.status
        self._status: Mapping[str, Any] = {}
        self._status_facts: tuple[int, ...] = ()

    def read(self, attempt_at: float | None) -> JobProgress:
        with self._lock:
            if self._tail.refresh(time.monotonic() + READ_SECONDS):
                if self._points.table is not self._tail.table:  # the log was written anew
                    self._points = Points(self._tail.table)
                self._points.read_on()
            self._look_at_status()
            return self._progress(attempt_at)

    def _look_at_status(self) -> None:
        try:
            facts = self._status_path.stat()
        except OSError:
            self._status, self._status_facts = {}, ()
            return
        seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if seen != self._status_facts:
            self._status, self._status_facts = read_told(self._status_path), seen

    def _progress(self, attempt_at: float | None) -> JobProgress:
        status, points = self._status, self._points
        stage, started = status.get("state"), _number(status.get("started"))
        is_earlier = bool(attempt_at and started and started < attempt_at - SAME_CLOCK_SECONDS)
        is_live = not is_earlier and stage in GOING_ON
        seconds = points.seconds_before(started)
        if started is not None:
            end = time.time() if is_live and attempt_at else _number(status.get("updated"))
            seconds = (seconds or 0.0) + max(0.0, (end or started) - started)
        epoch = _number(status.get("epoch"))
        return JobProgress(
            stage=stage if stage in STAGES and not is_earlier else "",
            # A resumed run says 0 until its first step.
            step=_count(status.get("step")) or _count(points.step) or 0,
            total=_count(status.get("total")) or _count(self._tail.memory.get(TOTAL_STEPS)),
            epoch=points.epoch if epoch is None else epoch,
            eta_seconds=_positive(status.get("eta_seconds")) if is_live else None,
            last_loss=points.loss.last,
            best_loss=points.loss.best,
            last_eval_loss=points.eval_loss.last,
            best_eval_loss=points.eval_loss.best,
            losses=points.loss.few,
            seconds=_positive(seconds),
            tokens_per_second=points.tokens_per_second,
            memory_bytes=_count(points.memory_bytes),
        )


def _number(value: Any) -> float | None:
    number = parse_number(value)
    return number if number is not None and math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number >= 0 else None


def _count(value: Any) -> int | None:
    number = _positive(value)
    return int(number) if number is not None and number <= LARGEST_COUNT else None
