"""A run as the page, the terminal and the rules see it: one moment of it, frozen."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from glmcore.core.notes import Note
from glmcore.curves.series import Series

ConfigValue = str | int | float | bool | None


class RunState(StrEnum):
    """Our own runs say it in their status file; of others only a log that still grows is known."""

    PREPARING = "preparing"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    FINISHED = "finished"
    LOST = "lost"  # its process is gone without a word
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a run is.

    Attributes:
        changed_at: when its log last grew, in seconds since 1970.
        total_steps: where it will end; None where nobody says.
        reason: why it ended, where it says so.
    """

    state: RunState = RunState.UNKNOWN
    changed_at: float = 0.0
    total_steps: float | None = None
    eta_seconds: float | None = None
    reason: str | None = None

    @property
    def is_live(self) -> bool:
        return self.state in (RunState.PREPARING, RunState.RUNNING)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run.

    Attributes:
        id: stable over restarts: a short hash of where it lies.
        name: for people; unique among the runs found together. Not trusted: may hold HTML.
        path: its folder, or its log when that was pointed at.
        form: what its log was read as, for people: "metrics.jsonl", "TensorBoard".
        curves: metric -> series, computed when asked for.
        config: what the run was started with, flat; empty where nothing says it.
        problems: what could not be read.
        revision: changes when a point is added.
    """

    id: str
    name: str
    path: Path
    form: str
    curves: Mapping[str, Series]
    config: Mapping[str, ConfigValue] = field(default_factory=dict)
    status: RunStatus = field(default_factory=RunStatus)
    problems: tuple[Note, ...] = ()
    revision: Any = 0


def run_id(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
