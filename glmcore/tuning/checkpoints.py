"""The checkpoints of a run: which there are, which are whole, which is best. Reads no weights.

A checkpoint counts once its marker is there, and the marker is written last: what a killed process left half
is never gone on from, and is removed.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glmcore.tuning.run_folder import RunFolder, read_whole, write_whole

MARKER = "complete.json"
NAME = "checkpoint-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint; `metrics` are of the evaluation at its step, where there was one."""

    step: int
    path: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    is_best: bool = False


def list_checkpoints(folder: RunFolder) -> list[Checkpoint]:
    """The whole checkpoints by step."""
    markers = {path: read_marker(path) for path in _iter_folders(folder)}
    whole = sorted((_step_of(path), path) for path, marker in markers.items() if marker)
    best = markers[whole[-1][1]].get("best_step") if whole else None
    return [Checkpoint(step, path, markers[path].get("metrics", {}), step == best) for step, path in whole]


def last_checkpoint(folder: RunFolder) -> Checkpoint | None:
    """The one to go on from."""
    return next(reversed(list_checkpoints(folder)), None)


def read_marker(path: Path) -> dict[str, Any]:
    """What `mark_whole` wrote; empty where the checkpoint is not whole."""
    return read_whole(path / MARKER)


def mark_whole(path: Path, facts: Mapping[str, Any]) -> None:
    """Say that a checkpoint is whole, after all its files have reached the disk."""
    for file in path.rglob("*"):
        if file.is_file():
            _sync(file)
    write_whole(path / MARKER, {"time": time.time(), **facts})
    _sync(path / MARKER)
    _sync(path)


def remove_unfinished(folder: RunFolder) -> list[Path]:
    """Remove what a killed process left half, or could not remove whole. Gives what was removed."""
    left = [path for path in _iter_folders(folder) if not read_marker(path)]
    for path in left:
        shutil.rmtree(path)
    return left


def remove_oldest(folder: RunFolder, keep: int) -> None:
    """Keep the newest and the best; 0 keeps all."""
    checkpoints = list_checkpoints(folder)
    for one in checkpoints[:-keep] if keep else ():
        if not one.is_best:
            (one.path / MARKER).unlink()  # first, so that half of it never counts
            shutil.rmtree(one.path)


def _iter_folders(folder: RunFolder) -> Iterator[Path]:
    if folder.checkpoints.is_dir():
        for path in folder.checkpoints.iterdir():
            if path.name.startswith(NAME) and path.name.removeprefix(NAME).isdecimal() and path.is_dir():
                yield path


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix(NAME))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
