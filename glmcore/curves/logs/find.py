"""Finds runs: below folders, by the names of their files and a look into some; or a file pointed at."""

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.logs.forms import Form, LogRef, form_by_content, form_by_name, may_be_log
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.run import run_id

MAX_ENTRIES = 2_000_000  # files looked at in one search: about two seconds
MAX_RUNS = 2_000
MAX_PEEKS = 3_000  # files looked into: some seconds
MAX_DEPTH = 16

TOO_MANY_FILES = mark("Only the first {count} files were looked at; point at a folder further in.")
TOO_MANY_RUNS = mark("Only the first {count} runs were taken; point at a folder further in.")
TOO_MANY_LOOKS = mark("Only the first {count} files of unknown form were looked into.")
NOT_THERE = mark("{count} of the paths do not exist ({example}).")
NO_LOG = mark(
    "{count} of the files are no log of a known form: JSON lines, trainer_state.json, TensorBoard, CSV, text "
    "({example})."
)
NOT_READABLE = mark("{count} files or folders cannot be read ({example}).")

# Never runs of their own: they hold no logs.
_SKIPPED = ("prepared", "predictions", "node_modules", "__pycache__")
# Below a run of a trainer these repeat what its own log says.
_PARTS_OF_A_RUN = ("checkpoints", "tensorboard", "runs", "logs")
_LOGS_OF_TRAINERS = (Form.METRICS, Form.TRAINER_LOG, Form.TRAINER_STATE)


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run that was found, not read yet. `path` is its folder, or its log where it shares the folder."""

    id: str
    name: str
    path: Path
    logs: tuple[LogRef, ...]


@dataclass(frozen=True, slots=True)
class Found:
    runs: tuple[RunRef, ...]
    notes: tuple[Note, ...] = ()


class _Search:
    """One search over all paths: what was seen, and how much."""

    def __init__(self) -> None:
        self.entries = self.peeks = self.runs = 0
        self.seen: set[tuple[int, int]] = set()  # folders by device and inode: links may go in circles
        self.problems = Problems()

    def walk(self, root: Path) -> list[tuple[Path, tuple[LogRef, ...]]]:
        """Breadth first, so that a limit cuts off what lies deepest."""
        found: list[tuple[Path, tuple[LogRef, ...]]] = []
        waiting = deque([(root, 0)])
        while waiting and self.entries < MAX_ENTRIES and self.runs < MAX_RUNS:
            folder, depth = waiting.popleft()
            names, folders = self._list(folder)
            runs = self._runs_in(folder, names, folders)
            found += runs[: MAX_RUNS - self.runs]
            self.runs += len(runs)
            is_complete = any(log.form in _LOGS_OF_TRAINERS for _, logs in runs for log in logs)
            for name in folders if depth < MAX_DEPTH else ():
                if not (name.startswith("checkpoint-") or (is_complete and name in _PARTS_OF_A_RUN)):
                    waiting.append((folder / name, depth + 1))
        if self.entries >= MAX_ENTRIES and TOO_MANY_FILES not in self.problems.counts:
            self.problems.add(TOO_MANY_FILES, count=self.entries)
        if self.runs >= MAX_RUNS and TOO_MANY_RUNS not in self.problems.counts:
            self.problems.add(TOO_MANY_RUNS, count=MAX_RUNS)
        return found

    def _list(self, folder: Path) -> tuple[list[str], list[str]]:
        """The names of files that may be logs, and of folders."""
        files, folders = [], []
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in self.seen:
                return [], []
            self.seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    self.entries += 1
                    if self.entries >= MAX_ENTRIES:
                        break
                    name = entry.name
                    if name.startswith("."):
                        continue
                    if may_be_log(name) and os.path.isfile(entry):
                        files.append(name)
                    elif name not in _SKIPPED and _is_folder(entry):
                        folders.append(name)
        except OSError as fault:
            self.problems.add(NOT_READABLE, f"{folder.name}: {fault.strerror}")
        return sorted(files), sorted(folders)

    def _runs_in(
        self, folder: Path, names: Sequence[str], folders: Sequence[str]
    ) -> list[tuple[Path, tuple[LogRef, ...]]]:
        forms = {form for name in names if (form := form_by_name(name))}
        has_states = any(
            os.path.isfile(folder / name / Form.TRAINER_STATE)
            for name in folders
            if name.startswith("checkpoint-")
        )
        if Form.METRICS in forms:
            return [(folder, (LogRef(Form.METRICS, folder / Form.METRICS),))]
        logs = []
        if Form.TRAINER_LOG in forms:
            logs.append(LogRef(Form.TRAINER_LOG, folder / Form.TRAINER_LOG))
        if Form.TRAINER_STATE in forms or has_states:
            logs.append(LogRef(Form.TRAINER_STATE, folder))
        if not logs and Form.EVENTS in forms:
            logs.append(LogRef(Form.EVENTS, folder))
        if logs:
            return [(folder, tuple(logs))]
        return self._looked_into(folder, names)

    def _looked_into(self, folder: Path, names: Sequence[str]) -> list[tuple[Path, tuple[LogRef, ...]]]:
        """Logs without a name of their own: those of the most trusted form, each a run."""
        found: list[LogRef] = []
        for name in names:
            if self.peeks >= MAX_PEEKS:
                if TOO_MANY_LOOKS not in self.problems.counts:
                    self.problems.add(TOO_MANY_LOOKS, count=MAX_PEEKS)
                break
            self.peeks += 1
            try:
                form = form_by_content(folder / name)
            except OSError as fault:
                self.problems.add(NOT_READABLE, f"{name}: {fault.strerror}")
                continue
            if form is not None:
                found.append(LogRef(form, folder / name))
        if not found:
            return []
        order = list(Form)
        best = min((log.form for log in found), key=order.index)
        chosen = [log for log in found if log.form is best]
        if len(chosen) == 1:
            return [(folder, tuple(chosen))]
        return [(log.path, (log,)) for log in chosen]


def find_runs(paths: Sequence[Path]) -> Found:
    """The runs that paths name: files, runs' folders, or folders of runs at any depth."""
    search = _Search()
    found: list[tuple[Path, Path, tuple[LogRef, ...]]] = []
    for path in paths:
        if os.path.isdir(path):
            found += [(path, where, logs) for where, logs in search.walk(path)]
        elif os.path.exists(path):
            found += [(path, path, (log,)) for log in _pointed_at(path, search.problems)]
        else:
            search.problems.add(NOT_THERE, str(path))
    return Found(_named(found), tuple(search.problems.notes()))


def _pointed_at(path: Path, problems: Problems) -> list[LogRef]:
    form = None
    try:
        if os.path.isfile(path):  # a look into a pipe would wait
            form = form_by_name(path.name) or form_by_content(path, any_name=True)
    except OSError as fault:
        problems.add(NOT_READABLE, f"{path}: {fault.strerror}")
        return []
    if form is None:
        problems.add(NO_LOG, str(path))
        return []
    return [LogRef(form, path)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _named(found: Sequence[tuple[Path, Path, tuple[LogRef, ...]]]) -> tuple[RunRef, ...]:
    """Each run once, by the shortest name that no other has."""
    named: dict[str, RunRef] = {}
    taken: set[str] = set()
    for root, path, logs in found:
        identity = run_id(path)
        if identity in named:
            continue
        short = path.resolve().name if path == root else os.path.relpath(path, root)
        full = printable(str(path))
        name = next(one for one in (printable(short), full, f"{full} {identity}") if one and one not in taken)
        taken.add(name)
        named[identity] = RunRef(identity, name, path, logs)
    return tuple(named.values())


def printable(name: str) -> str:
    """File names may hold line ends, orders to a terminal, and bytes that are no text."""
    return "".join(
        letter if letter.isprintable() or category(letter) == "Zs" else "\N{REPLACEMENT CHARACTER}"
        for letter in name
    )
