"""What people write about runs: a note on each, and marks on its steps.

A file of JSON lines per run, to which each change is appended in one write: two who write at once lose
nothing, and an old version of a note can still be seen in the file.
"""

import json
import math
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

from glmcore.core.errors import DataError, StorageError
from glmcore.curves.numbers import parse_number

MAX_NOTE, MAX_MARK = 10_000, 500  # letters
_MAX_METRIC = 500
_RUN_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Mark:
    """Words on a step.

    Attributes:
        at: when it was written, in seconds since 1970.
        metric: the curve it belongs to; None where it is about the whole run.
    """

    id: str
    step: float
    text: str
    at: float
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class RunRemarks:
    """All that was written about a run; marks in the order of their steps."""

    note: str = ""
    marks: tuple[Mark, ...] = ()


class Remarks:
    """The remarks on all runs, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, run_id: str) -> RunRemarks:
        """What stands now; lines that are broken are passed over.

        Raises:
            DataError: that is no id of a run.
            StorageError: the file is there but cannot be read.
        """
        note, marks = "", dict[str, Mark]()
        for line in self._lines(run_id):
            kind, text = line.get("kind"), line.get("text")
            if kind == "note" and isinstance(text, str):
                note = text[:MAX_NOTE]
            elif kind == "mark" and (found := _mark_of(line)):
                marks[found.id] = found
            elif kind == "removed":
                marks.pop(str(line.get("id")), None)
        return RunRemarks(note, tuple(sorted(marks.values(), key=lambda one: (one.step, one.at))))

    def set_note(self, run_id: str, text: str) -> None:
        """Replace the note; an empty one takes it away.

        Raises:
            DataError: it is too long, or that is no id of a run.
            StorageError: it cannot be kept.
        """
        text = _checked(text, MAX_NOTE)
        if text != self.of(run_id).note:
            self._append(run_id, {"kind": "note", "text": text, "at": time.time()})

    def add_mark(self, run_id: str, step: float, text: str, metric: str | None = None) -> Mark:
        """Write on a step.

        Raises:
            DataError: it is empty or too long, the step is no number, or that is no id of a run.
            StorageError: it cannot be kept.
        """
        text = _checked(text, MAX_MARK)
        if not text:
            raise DataError("A mark needs a text; write what happened at this step.")
        place = _finite(step)
        if place is None:
            raise DataError("A mark needs a step that is a number; found {step}.", step=str(step)[:40])
        name = None if metric is None else _printable(metric)[:_MAX_METRIC]
        mark = Mark(secrets.token_hex(6), place, text, time.time(), name)
        self._append(run_id, {"kind": "mark", **asdict(mark)})
        return mark

    def remove_mark(self, run_id: str, mark_id: str) -> None:
        """Take a mark away; nothing happens where somebody else did so before.

        Raises:
            DataError: that is no id of a run.
            StorageError: it cannot be kept.
        """
        if any(mark.id == mark_id for mark in self.of(run_id).marks):
            self._append(run_id, {"kind": "removed", "id": mark_id, "at": time.time()})

    def _path(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise DataError("{found} is no id of a run; expected 12 of 0-9 and a-f.", found=repr(run_id[:40]))
        return self.folder / f"{run_id}.jsonl"

    def _lines(self, run_id: str) -> Iterator[Mapping[str, Any]]:
        path = self._path(run_id)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as fault:
            raise StorageError(
                "{path} cannot be read: {fault}.", path=path, fault=fault.strerror or fault
            ) from fault
        for line in data.split(b"\n"):
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):  # a half line, or what somebody else put there
                continue
            if isinstance(values, dict):
                yield values

    def _append(self, run_id: str, values: Mapping[str, Any]) -> None:
        path = self._path(run_id)
        line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":  # a writer before us was cut off
                    line = b"\n" + line
                if os.write(file, line) < len(line):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as fault:
            raise _not_kept(path, fault) from fault


def _not_kept(path: Path, fault: OSError) -> StorageError:
    if fault.errno in (ENOSPC, EDQUOT):
        return StorageError("The remark was not kept: no space is left for {path}; free some.", path=path)
    return StorageError(
        "The remark was not kept: {path} cannot be written: {fault}.",
        path=path,
        fault=fault.strerror or fault,
    )


def _checked(text: str, most: int) -> str:
    text = _printable(text.strip())
    if len(text) > most:
        raise DataError("The text has {size} letters; at most {most} are kept.", size=len(text), most=most)
    return text


def _printable(text: str) -> str:
    """Without halves of pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _mark_of(line: Mapping[str, Any]) -> Mark | None:
    """A mark as `add_mark` wrote it; None for anything else."""
    identity, text, metric = line.get("id"), line.get("text"), line.get("metric")
    step, at = _finite(line.get("step")), _finite(line.get("at"))
    if not isinstance(identity, str) or not isinstance(text, str) or step is None or at is None:
        return None
    name = metric[:_MAX_METRIC] if isinstance(metric, str) else None
    return Mark(identity, step, text[:MAX_MARK], at, name)


def _finite(value: Any) -> float | None:
    number = parse_number(value)
    return number if number is not None and math.isfinite(number) else None
