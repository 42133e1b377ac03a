"""Watches the live runs of a folder, keeps what fired, and asks a run to save or stop where a rule says so.

What fired is an append-only file, so a restart of the server fires nothing twice, and two servers on one
folder see each other's alerts.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from glmcore.core.errors import ConfigError, StorageError
from glmcore.core.notes import Note
from glmcore.curves.alerts.rules import (
    DEFAULT_RULES,
    Alert,
    AlertAction,
    AlertRule,
    check,
    parse_rules,
    rules_to_json,
)
from glmcore.curves.library import STILL_READING, CurveLibrary
from glmcore.curves.run import Run
from glmcore.curves.status import read_own_status
from glmcore.tuning.run_folder import LineFile, RunFolder, write_whole

log = logging.getLogger("glmcore.curves")

CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FiredAlert:
    """An alert as it is kept: told once, until its cause is gone."""

    run_id: str
    run_name: str
    kind: str
    note: Note
    step: float | None
    at: float
    action: AlertAction
    is_active: bool = True
    is_dismissed: bool = False


class AlertBook:
    """The rules and what fired, as files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._rules_file, self._fired_file = folder / "alert_rules.json", folder / "alerts.jsonl"
        self._folder = folder

    def rules(self) -> tuple[AlertRule, ...]:
        """Those that were set; the defaults where there are none, or none that can be read."""
        try:
            return parse_rules(json.loads(self._rules_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return DEFAULT_RULES
        except (OSError, ValueError, RecursionError, ConfigError) as fault:
            log.warning("%s: %s; the default rules are used", self._rules_file.name, fault)
            return DEFAULT_RULES

    def set_rules(self, rules: Sequence[AlertRule]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._rules_file, {"rules": rules_to_json(rules)})
        except OSError as fault:
            raise StorageError("The alert rules could not be stored: {fault}.", fault=fault) from fault

    def fired(self) -> list[FiredAlert]:
        """The latest word on each run and kind, newest first."""
        latest: dict[tuple[str, str], FiredAlert] = {}
        for entry in self._entries():
            key = (str(entry.get("run_id")), str(entry.get("kind")))
            try:
                if entry.get("is_dismissed") or entry.get("is_active") is False:
                    before = latest[key]
                    latest[key] = _changed(before, entry)
                else:
                    latest[key] = _from_json(entry)
            except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
                continue  # written by something else
        return sorted(latest.values(), key=lambda alert: alert.at, reverse=True)

    def add(self, alert: FiredAlert) -> None:
        self._append(
            {
                "run_id": alert.run_id,
                "run_name": _plain(alert.run_name),
                "kind": alert.kind,
                "template": alert.note.template,
                "values": {name: _plain(value) for name, value in alert.note.values.items()},
                "step": alert.step,
                "at": alert.at,
                "action": alert.action,
            }
        )

    def clear(self, run_id: str, kind: str) -> None:
        self._append({"run_id": run_id, "kind": kind, "is_active": False})

    def dismiss(self, run_id: str, kind: str) -> None:
        """Put an alert aside; it fires again only after its cause was gone.

        Raises:
            StorageError: it could not be written.
        """
        with self.lock():
            self._append({"run_id": run_id, "kind": kind, "is_dismissed": True})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time writes alerts.

        Raises:
            StorageError: the folder cannot be written, or another one writes for ever.
        """
        lock = FileLock(self._folder / ".alerts.lock", timeout=10)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as fault:
            raise StorageError("The alert could not be stored: {fault}.", fault=fault) from fault
        try:
            yield
        finally:
            lock.release()

    def _append(self, values: dict[str, Any]) -> None:
        try:
            file = LineFile(self._fired_file)
            try:
                file.append(values)
            finally:
                file.close()
        except OSError as fault:
            raise StorageError("The alert could not be stored: {fault}.", fault=fault) from fault

    def _entries(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self._fired_file.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry


class AlertWatch:
    """A thread that looks at the live runs of one folder every few seconds."""

    def __init__(self, jobs_dir: Path, book: AlertBook, library: CurveLibrary) -> None:
        self._jobs_dir, self.book, self._library = jobs_dir, book, library
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="alert-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def look(self, now: float | None = None) -> list[FiredAlert]:
        """Check all live runs once; gives what fired just now.

        Raises:
            StorageError: alerts cannot be written.
        """
        now = time.time() if now is None else now
        if not self._jobs_dir.is_dir():
            return []
        runs, _ = self._library.look([self._jobs_dir], CHECK_SECONDS)
        live = [run for run in runs if run.status.is_live]
        if not live and not any(alert.is_active for alert in self.book.fired()):
            return []
        # Of a run that is not read to its end nothing is said: neither what fires nor what is over.
        half_read = {run.id for run in runs if any(note.template == STILL_READING for note in run.problems)}
        rules = self.book.rules()
        raised = {
            (run.id, str(alert.kind)): (run, alert)
            for run in live
            if run.id not in half_read
            for alert in check(run, rules, now)
        }
        fired = []
        with self.book.lock():
            active = {(alert.run_id, alert.kind) for alert in self.book.fired() if alert.is_active}
            for run, alert in [raised[key] for key in raised if key not in active]:
                fired.append(self._fire(run, alert, now))
            for run_id, kind in active - set(raised):
                if run_id not in half_read:
                    self.book.clear(run_id, kind)
        return fired

    def _fire(self, run: Run, alert: Alert, now: float) -> FiredAlert:
        """Keep the alert, then act on it: an alert that cannot be kept would act again and again."""
        action = alert.action if _takes_requests(run) else AlertAction.NONE
        fired = FiredAlert(run.id, run.name, str(alert.kind), alert.note, alert.step, now, action)
        self.book.add(fired)
        log.warning("alert on run %s: %s", run.name, alert.note.text)
        _ask(run, action)
        return fired

    def _watch(self) -> None:
        while not self._ended.wait(CHECK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("the watch over live runs failed; it goes on")


def _takes_requests(run: Run) -> bool:
    """Whether it is one of our own runs, and lives: no file is put into folders of other programs."""
    return run.status.is_live and bool(read_own_status(run.path))


def _ask(run: Run, action: AlertAction) -> None:
    """Write the request that a rule wants; one that is there already stays as it is."""
    folder = RunFolder(run.path)
    try:
        if action is AlertAction.STOP and not folder.stop_request.exists():
            write_whole(folder.stop_request, {"save": True})
        elif action is AlertAction.SAVE:
            folder.save_request.touch()
    except OSError as fault:
        log.error("run %s could not be asked to %s: %s", run.name, action, fault)


def _plain(value: Any) -> Any:
    """As a JSON value that can be written; texts out of logs may hold halves of letters."""
    return value if isinstance(value, (int, float)) else str(value).encode("utf-8", "replace").decode()


def _from_json(entry: dict[str, Any]) -> FiredAlert:
    note = Note(str(entry["template"]), dict(entry["values"]))
    note.text  # noqa: B018 - fails here and not where it is shown
    return FiredAlert(
        run_id=str(entry["run_id"]),
        run_name=str(entry["run_name"]),
        kind=str(entry["kind"]),
        note=note,
        step=None if entry["step"] is None else float(entry["step"]),
        at=float(entry["at"]),
        action=AlertAction(entry["action"]),
    )


def _changed(alert: FiredAlert, entry: dict[str, Any]) -> FiredAlert:
    is_active = alert.is_active and entry.get("is_active") is not False
    return replace(
        alert, is_active=is_active, is_dismissed=alert.is_dismissed or bool(entry.get("is_dismissed"))
    )
