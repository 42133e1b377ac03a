"""The runs below some folders, read once and kept: what is appended is added, nothing is read twice.

One library serves all sessions of a server. Reading can be given a limit of time, so that no page waits for a
log of gigabytes: what is left is read at the next call.
"""

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.cache import CurveCache
from glmcore.curves.configs import read_config
from glmcore.curves.logs.find import Found, RunRef, find_runs
from glmcore.curves.logs.forms import CHUNK_BYTES, PARSERS, Form, LogRef
from glmcore.curves.logs.parsing import Parser, Problems
from glmcore.curves.logs.rows import TOTAL_STEPS
from glmcore.curves.logs.state_log import StateLog
from glmcore.curves.logs.tail import Tail
from glmcore.curves.run import ConfigValue, Run
from glmcore.curves.series import Series
from glmcore.curves.status import read_status
from glmcore.curves.table import AXES, MAX_METRICS, PointTable

READERS = 2  # threads that parse; more than the cores gain nothing
FIND_SECONDS, FIND_SHARE = 10.0, 20.0  # between two searches; or so many times what one takes
SHARED_SECONDS = 0.5  # pages that look at once share a reading
CONFIG_SECONDS = 30.0  # a run's config is looked at again: it may have been started anew
# A cache is written anew after so many bytes of the log, and after so large a part of what is kept.
CACHE_AFTER_BYTES, CACHE_AFTER_PART = 1 << 20, 1 / 8

STILL_READING = mark("Still reading: {count} MB of the log are left.")
TOO_MANY_METRICS = mark("{count} further metrics were left out: a run may have {limit}.")

# Of all libraries, so that a run that comes back is never taken for an old one.
_revisions = itertools.count(1)


class Log(Protocol):
    """What reads a log: `Tail` or `StateLog`."""

    table: PointTable
    changed_at: float
    unread_bytes: int
    read_bytes: int

    @property
    def problems(self) -> list[Problems]: ...
    @property
    def memory(self) -> dict[str, object]: ...
    def refresh(self, deadline: float = ...) -> bool: ...


class LazyCurves(Mapping[str, Series]):
    """The metrics of a run by name; each is stitched when it is asked for, once."""

    def __init__(self, tables: Sequence[PointTable]) -> None:
        self._tables: dict[str, PointTable] = {}
        for table in tables:  # the first log that has a metric gives it
            for name in table.names:
                if name not in AXES:
                    self._tables.setdefault(name, table)
        self._stitched: dict[str, Series] = {}

    def __getitem__(self, name: str) -> Series:
        if name not in self._stitched:
            self._stitched[name] = self._tables[name].series(name)
        return self._stitched[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tables  # a Mapping would stitch the curve to find out

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


@dataclass
class _OpenRun:
    """A run with its logs, and the last picture of it."""

    ref: RunRef
    logs: list[Log]
    revision: int = 0  # none yet
    picture: Run | None = None
    curves: LazyCurves = field(default_factory=lambda: LazyCurves(()))
    config: Mapping[str, ConfigValue] = field(default_factory=dict)
    config_read_at: float = float("-inf")
    kept_bytes: int = 0


class CurveLibrary:
    """Finds, reads and refreshes runs. Safe to be used by several threads."""

    def __init__(self, cache_dir: Path | None) -> None:
        """`cache_dir` None keeps nothing on disk."""
        self._cache = CurveCache(cache_dir) if cache_dir else None
        self._lock = threading.Lock()
        self._open: dict[str, _OpenRun] = {}
        self._looking = threading.Lock()
        self._looked_for: tuple[Path, ...] = ()
        self._notes: tuple[Note, ...] = ()
        self._runs: list[Run] = []
        self._found_at = self._read_at = float("-inf")
        self._find_seconds = FIND_SECONDS

    def find(self, paths: Sequence[Path]) -> Found:
        """Look for runs; those known already keep what was read of them."""
        found = find_runs(paths)
        with self._lock:
            known = self._open
            self._open = {}
            for ref in found.runs:
                run = known.get(ref.id)
                if run is None or run.ref.logs != ref.logs:
                    opened = dict(zip(run.ref.logs, run.logs, strict=True)) if run else {}
                    run = _OpenRun(ref, [opened.get(log) or self._opened(log) for log in ref.logs])
                run.ref = ref
                self._open[ref.id] = run
        return found

    def look(self, paths: Sequence[Path], seconds: float) -> tuple[list[Run], tuple[Note, ...]]:
        """The runs below the paths as they are now, and what could not be looked at.

        For pages that ask every few seconds: folders are searched again after a while only, the later the
        longer a search takes; and two that ask at once share one reading.
        """
        with self._looking:
            now = time.monotonic()
            if tuple(paths) != self._looked_for or now - self._found_at > self._find_seconds:
                self._notes = self.find(paths).notes
                self._looked_for, self._found_at = tuple(paths), time.monotonic()
                self._find_seconds = max(FIND_SECONDS, FIND_SHARE * (self._found_at - now))
                self._read_at = float("-inf")
            if time.monotonic() - self._read_at > SHARED_SECONDS:
                self._runs = self.refresh(seconds)
                self._read_at = time.monotonic()
            return self._runs, self._notes

    def refresh(self, seconds: float = float("inf")) -> list[Run]:
        """Read what was appended, for about so many seconds at most, and give the runs as they are now."""
        deadline = time.monotonic() + seconds
        with self._lock:
            runs = list(self._open.values())
            if any(not run.revision or log.unread_bytes for run in runs for log in run.logs):
                with ThreadPoolExecutor(READERS) as readers:
                    list(readers.map(lambda run: self._refresh_one(run, deadline), runs))
            else:
                for run in runs:
                    self._refresh_one(run, deadline)
            for run in runs:
                run.picture = _picture(run)
            return [run.picture for run in runs if run.picture]

    def _refresh_one(self, run: _OpenRun, deadline: float) -> None:
        is_new = [log.refresh(deadline) for log in run.logs]
        if any(is_new) or not run.revision:
            run.revision = next(_revisions)
            run.curves = LazyCurves([log.table for log in run.logs])
            if time.monotonic() - run.config_read_at > CONFIG_SECONDS:
                path = run.ref.path
                run.config = read_config(path if os.path.isdir(path) else path.parent)
                run.config_read_at = time.monotonic()
        self._keep(run)

    def _opened(self, log: LogRef) -> Log:
        if log.form is Form.TRAINER_STATE:
            return StateLog(log.list_files)

        def make_parser(memory: dict[str, Any]) -> Parser:
            return PARSERS[log.form]({"file_stem": log.path.stem} | memory)

        kept = self._cache.load(_cache_key(log)) if self._cache else None
        if kept is None:
            return Tail(log.list_files, make_parser, chunk_bytes=CHUNK_BYTES.get(log.form))
        return Tail(
            log.list_files,
            make_parser,
            table=kept.table,
            places=kept.places,
            memory=kept.memory,
            problems=kept.problems,
            chunk_bytes=CHUNK_BYTES.get(log.form),
        )

    def _keep(self, run: _OpenRun) -> None:
        for log, ref in zip(run.logs, run.ref.logs, strict=True):
            if self._cache is None or not isinstance(log, Tail) or log.unread_bytes:
                continue
            if log.read_bytes - run.kept_bytes >= max(CACHE_AFTER_BYTES, log.table.nbytes * CACHE_AFTER_PART):
                self._cache.save(_cache_key(ref), log.table, log.places, log.memory, log.problems[0])
                run.kept_bytes = log.read_bytes


def _picture(run: _OpenRun) -> Run:
    """The run as it is now: the last picture where nothing is different."""
    ref = run.ref
    problems = [note for log in run.logs for one in log.problems for note in one.notes()]
    unread = sum(log.unread_bytes for log in run.logs)
    if unread > 1 << 20:
        problems.append(Note(STILL_READING, {"count": unread >> 20}))
    if dropped := sum(len(log.table.dropped_metrics) for log in run.logs):
        problems.append(Note(TOO_MANY_METRICS, {"count": dropped, "limit": MAX_METRICS}))
    changed_at = max((log.changed_at for log in run.logs), default=0.0)
    totals = [value for log in run.logs if isinstance(value := log.memory.get(TOTAL_STEPS), (int, float))]
    status = read_status(ref.path, changed_at, totals[0] if totals else None)
    revision = (ref.id, run.revision)
    last = run.picture
    if last and (last.revision, last.name, last.status, list(last.problems)) == (
        revision,
        ref.name,
        status,
        problems,
    ):
        return last
    return Run(
        id=ref.id,
        name=ref.name,
        path=ref.path,
        form=" + ".join(log.form for log in ref.logs),
        curves=run.curves,
        config=run.config,
        status=status,
        problems=tuple(problems),
        revision=revision,
    )


def _cache_key(log: LogRef) -> str:
    named = f"{log.form}\n{log.path.resolve()}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(named).hexdigest()[:32]
