"""Watches the live runs of a folder, keeps what fired, and asks a run to save or to stop where a rule says so.

What fired is an append-only file, so a restart of the server fires nothing twice, and two servers on one folder
see each other's alerts.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
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
from glmcore.curves.library import CurveLibrary
from glmcore.curves.run import Run
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
        except (OSError, ValueError, ConfigError) as fault:
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
            key = (entry.get("run_id"), entry.get("kind"))
            try:
                if entry.get("is_dismissed") or entry.get("is_active") is False:
                    before = latest[key]
                    latest[key] = _changed(before, entry)
                else:
                    latest[key] = _from_json(entry)
            except (KeyError, TypeError, ValueError):
                continue
        return sorted(latest.values(), key=lambda alert: alert.at, reverse=True)

    def add(self, alert: FiredAlert) -> None:
        self._append(
            {
                "run_id": alert.run_id,
                "run_name": alert.run_name,
                "kind": alert.kind,
                "template": alert.note.template,
                "values": dict(alert.note.values),
                "step": alert.step,
                "at": alert.at,
                "action": alert.action,
            }
        )

    def clear(self, run_id: str, kind: str) -> None:
        self._append({"run_id": run_id, "kind": kind, "is_active": False})

    def dismiss(self, run_id: str, kind: str) -> None:
        """Put an alert aside; it fires again only after its cause was gone."""
        self._append({"run_id": run_id, "kind": kind, "is_dismissed": True})

    def lock(self) -> FileLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder / ".alerts.lock", timeout=10)

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
            except ValueError:
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
        """Check all live runs once; gives what fired just now."""
        now = time.time() if now is None else now
        paths = [self._jobs_dir] if self._jobs_dir.is_dir() else []
        runs, _ = self._library.look(paths, CHECK_SECONDS)
        live = [run for run in runs if run.status.is_live]
        known = self.book.fired()
        if not live and not any(alert.is_active for alert in known):
            return []
        rules = self.book.rules()
        raised = {(alert.run_id, alert.kind): alert for run in live for alert in check(run, rules, now)}
        names = {run.id: run for run in runs}
        fired = []
        with self.book.lock():
            active = {(alert.run_id, str(alert.kind)) for alert in self.book.fired() if alert.is_active}
            for key, alert in raised.items():
                if (alert.run_id, str(alert.kind)) not in active:
                    fired.append(self._fire(names[key[0]], alert, now))
            for run_id, kind in active - {(run_id, str(kind)) for run_id, kind in raised}:
                self.book.clear(run_id, kind)
        return fired

    def _fire(self, run: Run, alert: Alert, now: float) -> FiredAlert:
        action = alert.action if _ask(run, alert.action) else AlertAction.NONE
        fired = FiredAlert(run.id, run.name, str(alert.kind), alert.note, alert.step, now, action)
        self.book.add(fired)
        log.warning("alert on run %s: %s", run.name, alert.note.text)
        return fired

    def _watch(self) -> None:
        while not self._ended.wait(CHECK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("the watch over live runs failed; it goes on")


def _ask(run: Run, action: AlertAction) -> bool:
    """Write the request that a rule wants; False where the run takes none (it is not ours)."""
    folder = RunFolder(run.path)
    if action is AlertAction.NONE or not folder.status.is_file():
        return False
    try:
        if action is AlertAction.STOP:
            write_whole(folder.stop_request, {"save": True})
        else:
            folder.save_request.touch()
    except OSError as fault:
        log.error("run %s could not be asked to %s: %s", run.name, action, fault)
        return False
    return True


def _from_json(entry: dict[str, Any]) -> FiredAlert:
    return FiredAlert(
        run_id=str(entry["run_id"]),
        run_name=str(entry["run_name"]),
        kind=str(entry["kind"]),
        note=Note(str(entry["template"]), dict(entry["values"])),
        step=None if entry["step"] is None else float(entry["step"]),
        at=float(entry["at"]),
        action=AlertAction(entry["action"]),
    )


def _changed(alert: FiredAlert, entry: dict[str, Any]) -> FiredAlert:
    is_active = alert.is_active and entry.get("is_active") is not False
    return replace(alert, is_active=is_active, is_dismissed=alert.is_dismissed or bool(entry.get("is_dismissed")))
