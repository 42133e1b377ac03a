"""What all sessions of the curves page share: one library per folder of logs, findings, notes, alerts."""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from pathlib import Path

from glmcore.core.settings import Settings
from glmcore.curves.alerts.watch import AlertBook, AlertWatch
from glmcore.curves.findings.finding import Finding
from glmcore.curves.findings.rules import read_run
from glmcore.curves.library import CurveLibrary
from glmcore.curves.remarks import Remarks
from glmcore.curves.run import Run
from glmcore.curves.views.axes import CLOCK_FROM, run_start
from glmcore.curves.views.colours import assign_colours

KEPT_FINDINGS = 500  # runs
FINDINGS_SECONDS = 10.0  # a live run is read in words so often at most


class CurveServices:
    """Runs, findings, notes and alerts of one server."""

    def __init__(self, settings: Settings) -> None:
        kept = settings.home / "curves"
        self.folders = (settings.jobs_dir, *settings.log_roots)
        self.libraries = tuple(CurveLibrary(kept / "cache") for _ in self.folders)
        self.remarks = Remarks(kept / "remarks")
        self.alerts = AlertBook(kept)
        self.watch = AlertWatch(settings.jobs_dir, self.alerts, self.libraries[0])
        # Of each folder: run id -> when the run began, in the order in which they were first seen.
        self._begun: tuple[dict[str, float], ...] = tuple({} for _ in self.folders)
        self._findings: OrderedDict[str, tuple[Hashable, float, list[Finding]]] = OrderedDict()
        self._lock = threading.Lock()

    def library(self, number: int) -> tuple[CurveLibrary, Path]:
        """A folder's library by its number; the jobs' where there is no such folder any more."""
        return self.libraries[self._place(number)], self.folders[self._place(number)]

    def newest_first(self, number: int, runs: Sequence[Run]) -> list[Run]:
        begun = self._begun[self._place(number)]
        with self._lock:
            new = {run.id: _begun(run) for run in runs if run.id not in begun}
            begun.update(sorted(new.items(), key=lambda entry: entry[1]))
            return sorted(runs, key=lambda run: begun[run.id], reverse=True)

    def colours(self, number: int) -> dict[str, str]:
        """One for each run that was ever ordered; none changes as long as the server runs."""
        with self._lock:
            return assign_colours(self._begun[self._place(number)])

    def findings(self, run: Run) -> list[Finding]:
        """The run in words; of a run that changes all the time not more often than is readable."""
        now = time.time()
        with self._lock:
            known = self._findings.get(run.id)
        key = (run.revision, run.status.state)
        if known and (now - known[1] < FINDINGS_SECONDS or (known[0] == key and not run.status.is_live)):
            return known[2]
        found = read_run(run, now)
        with self._lock:
            self._findings[run.id] = (key, now, found)
            self._findings.move_to_end(run.id)
            while len(self._findings) > KEPT_FINDINGS:
                self._findings.popitem(last=False)
        return found

    def close(self) -> None:
        self.watch.close()

    def _place(self, number: int) -> int:
        return number if number < len(self.folders) else 0


def _begun(run: Run) -> float:
    start = run_start(run)
    return start if start is not None and start >= CLOCK_FROM else run.status.changed_at
