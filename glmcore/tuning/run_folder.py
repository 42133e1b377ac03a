"""The folder of one run: the names of its files, and small files written so that no reader sees half of one.

Knows no torch: the page and the queue read the same files.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run keeps what."""

    path: Path

    @property
    def job_file(self) -> Path:
        """The resolved job, as it runs."""
        return self.path / "job.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON object per point of the curves."""
        return self.path / "metrics.jsonl"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def data_report(self) -> Path:
        return self.path / "data_report.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def prepared(self) -> Path:
        """Rows as token ids."""
        return self.path / "prepared"

    @property
    def probe(self) -> Path:
        """One JSON object per checkpoint: what the forgetting probe found."""
        return self.path / "probe.jsonl"

    @property
    def predictions(self) -> Path:
        """A folder for each checkpoint that answered test rows."""
        return self.path / "predictions"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def stop_request(self) -> Path:
        """Whoever writes it asks the run to end at the next step: {"save": true} or {"save": false}."""
        return self.path / "stop_request.json"

    @property
    def save_request(self) -> Path:
        """Whoever makes it asks for a checkpoint at the next step."""
        return self.path / "save_request"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"


def write_whole(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file: its readers see the old or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read_whole(path: Path) -> dict[str, Any]:
    """What `write_whole` wrote; empty where there is none, or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


class LineFile:
    """A file of JSON lines that only grows, each line on the disk's side at once."""

    def __init__(self, path: Path) -> None:
        """Open it to go on; a last line that a killed process left half is cut off."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        whole = _whole_lines(path)
        if whole < path.stat().st_size:
            self._file.truncate(whole)

    def append(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _whole_lines(path: Path) -> int:
    """The size of a file up to the end of its last whole line, in bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
