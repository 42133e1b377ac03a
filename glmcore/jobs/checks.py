"""What a job would do, checked beside the pages: one thread reads its data and its model's outline.

No weights are read. Several people may write jobs at once: each has one check waiting at most, the newest.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.core.errors import GlmcoreError, JobError
from glmcore.core.i18n import mark
from glmcore.core.settings import Settings
from glmcore.models.progress import Progress
from glmcore.tuning.data.rows import iter_rows
from glmcore.tuning.job_config import JobConfig, JobFile, flat_values

if TYPE_CHECKING:
    from glmcore.tuning.planning.dry_run_report import DryRun

FIRST_ROWS = 5000  # of each file, unless all are asked for
KEPT = 20  # results
COUNT_SECONDS = 5.0  # for the rows of a file that is not read whole
WAITING = mark("Waiting for its turn")
BEGINNING = mark("Reading the model's files")
COUNTING = mark("Counting the rows")
# Fields that change neither what is learnt from, nor how long, nor in how much memory.
_IRRELEVANT = """
    learning_rate lr_scheduler_type warmup_steps weight_decay max_grad_norm seed temperature top_p
    best_metric plateau_evaluations forgetting_probe test_file max_predict_samples output_dir
    log_every_steps tensorboard
"""
IRRELEVANT = frozenset(_IRRELEVANT.split())
FILES = ("train_file", "validation_file", "accelerate_config", "adapter_path")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckState:
    """How far a check is.

    Attributes:
        stage: a text of the catalogue while it lasts, empty at its end.
        result: with the steps of all rows, also where only the first were read.
        error: what the run would be refused for, found before there was a result.
        is_partial: only the first rows were read.
        num_rows: of the training file; None where they are too many to be counted.
        at: when it ended.
    """

    stage: str = ""
    fraction: float | None = None
    result: "DryRun | None" = None
    error: GlmcoreError | None = None
    is_partial: bool = False
    num_rows: int | None = None
    at: float | None = None

    @property
    def has_ended(self) -> bool:
        return self.at is not None


@dataclass(frozen=True, slots=True)
class _Request:
    key: str
    config: JobConfig
    all_rows: bool


Look = Callable[[JobConfig, Settings, Progress], "DryRun"]


def dry_look(config: JobConfig, settings: Settings, progress: Progress) -> "DryRun":
    """A dry run of a job that has no folder yet; its checkpoints would lie among the jobs."""
    from glmcore.tuning.planning.dry_run import dry_run

    folder = settings.jobs_dir.absolute() / ".checked"  # never made
    config = replace(config, saving=replace(config.saving, output_dir=folder))
    return dry_run(JobFile(config), settings, progress)


class JobChecks:
    """Starts checks, keeps the last results. For any thread; the work is done in one of its own."""

    def __init__(self, settings: Settings, look: Look = dry_look) -> None:
        self._settings, self._look = settings, look
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, _Request] = OrderedDict()  # by who asked
        self._states: OrderedDict[str, CheckState] = OrderedDict()  # running or ended, by key
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def start(self, config: JobConfig, *, all_rows: bool = False, asker: str = "") -> str:
        """Ask for a check, unless there is one of the same; gives its key.

        Args:
            asker: a session; its newer request replaces one that still waits.
        """
        key = check_key(config, all_rows=all_rows)
        with self._changed:
            if key not in self._states:
                self._waiting[asker] = _Request(key, config, all_rows)
                self._begin_thread()
                self._changed.notify()
        return key

    def state(self, key: str) -> CheckState | None:
        """None for a check that nobody asked for, or that was replaced or forgotten."""
        with self._changed:
            if key in self._states:
                return self._states[key]
            is_waiting = any(request.key == key for request in self._waiting.values())
        return CheckState(stage=WAITING) if is_waiting else None

    def forget(self, key: str) -> None:
        """Drop a result, so that the same can be checked again: memory may be free now that was not."""
        with self._changed:
            state = self._states.get(key)
            if state is not None and state.has_ended:
                del self._states[key]

    def close(self) -> None:
        """End the thread at the next word of the check that it is at."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _begin_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="job-checks", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while request := self._next():
            state = self._checked(request)
            if self._is_closed:
                return
            with self._changed:
                self._states[request.key] = state
                ended = [key for key, state in self._states.items() if state.has_ended]
                for key in ended[:-KEPT]:
                    del self._states[key]

    def _next(self) -> _Request | None:
        """The request that waits longest; None when closed."""
        with self._changed:
            while True:
                while not (self._waiting or self._is_closed):
                    self._changed.wait()
                if self._is_closed:
                    return None
                _, request = self._waiting.popitem(last=False)
                if request.key not in self._states:  # asked for by two
                    self._states[request.key] = CheckState(stage=BEGINNING)
                    return request

    def _checked(self, request: _Request) -> CheckState:
        def tell(stage: str, fraction: float | None) -> None:
            if self._is_closed:
                raise JobError("The server is stopping.")
            with self._changed:
                self._states[request.key] = CheckState(stage=stage, fraction=fraction)

        try:
            return self._looked(request, tell)
        except GlmcoreError as error:
            return CheckState(error=error, at=time.time())
        except Exception as fault:
            _logger.exception("A check of a job broke off")
            broke = JobError(
                "The check broke off, which is a fault of this program: {fault}.", fault=repr(fault)
            )
            return CheckState(error=broke, at=time.time())

    def _looked(self, request: _Request, tell: Progress) -> CheckState:
        config = request.config
        result = self._look(config if request.all_rows else first_rows(config), self._settings, tell)
        num_rows: int | None = result.report.files[0].num_rows
        is_partial = False
        if not request.all_rows and num_rows == FIRST_ROWS and config.data.train_file is not None:
            tell(COUNTING, None)
            num_rows = _count_rows(
                config.data.train_file, config.data.encoding, config.data.max_train_samples
            )
            is_partial = num_rows != FIRST_ROWS
            result = _of_all_rows(result, config, num_rows or FIRST_ROWS)
        return CheckState(result=result, is_partial=is_partial, num_rows=num_rows, at=time.time())


def check_key(config: JobConfig, *, all_rows: bool = False) -> str:
    """The same for jobs of which a check would say the same, while their files do not change."""
    values = {name: str(value) for name, value in flat_values(config).items() if name not in IRRELEVANT}
    files = [_signature(value) for name, value in flat_values(config).items() if name in FILES and value]
    return hashlib.sha256(json.dumps([values, files, all_rows]).encode()).hexdigest()[:16]


def first_rows(config: JobConfig, most: int = FIRST_ROWS) -> JobConfig:
    """The same job on no more than the first rows of its files."""
    data = replace(
        config.data,
        max_train_samples=min(config.data.max_train_samples or most, most),
        max_eval_samples=min(config.data.max_eval_samples or most, most),
    )
    return replace(config, data=data)


def memory_parts(result: "DryRun") -> list[tuple[str, int]]:
    """What takes memory, as texts of the catalogue, and how many bytes."""
    from glmcore.tuning.planning.memory import PARTS

    return [(PARTS[name], size) for name, size in result.memory.parts.items()]


def _of_all_rows(result: "DryRun", config: JobConfig, num_rows: int) -> "DryRun":
    """With steps and disk as if all rows gave as many examples as the first did."""
    from glmcore.tuning.planning.disk import checkpoint_bytes
    from glmcore.tuning.planning.steps import count_steps
    from glmcore.tuning.run_folder import RunFolder

    steps = count_steps(config, round(result.report.num_training * num_rows / FIRST_ROWS))
    size = checkpoint_bytes(config, result.memory, steps.total, RunFolder(result.folder))
    return replace(result, steps=steps, disk_bytes=size)


def _count_rows(path: Path, encoding: str, limit: int | None) -> int | None:
    """All rows of a file; None where that would take long. Raises DataError where one is broken."""
    if path.suffix.lower() == ".parquet":
        from pyarrow.parquet import read_metadata

        num_rows = int(read_metadata(path).num_rows)
        return min(num_rows, limit or num_rows)
    began, number = time.monotonic(), 0
    for number, _ in enumerate(iter_rows(path, encoding, limit), start=1):
        if number % 1000 == 0 and time.monotonic() - began > COUNT_SECONDS:
            return None
    return number


def _signature(path: Path) -> list[str | int]:
    try:
        stat = os.stat(path)
    except OSError:
        return [str(path)]
    return [str(path), stat.st_size, stat.st_mtime_ns]
