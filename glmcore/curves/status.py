"""How far a run is: told by its own status file, or guessed from a log that still grows."""

import os
import time
from pathlib import Path
from typing import Any

from glmcore.curves.run import RunState, RunStatus
from glmcore.tuning.run_folder import RunFolder, read_whole

GROWING_SECONDS = 300.0  # a log of another program that changed so lately belongs to a run that goes on


def read_status(
    path: Path, changed_at: float, total_steps: float | None, now: float | None = None
) -> RunStatus:
    """The status of the run in a folder (or of a lone log file).

    Args:
        changed_at: when its log last grew, in seconds since 1970.
        total_steps: what the log says about its end.
    """
    now = time.time() if now is None else now
    own = read_whole(RunFolder(path).status) if path.is_dir() else {}
    if own.get("state") not in set(RunState):
        state = RunState.RUNNING if 0 < now - changed_at < GROWING_SECONDS else RunState.UNKNOWN
        return RunStatus(state, changed_at, total_steps)
    state = RunState(own["state"])
    if state in (RunState.PREPARING, RunState.RUNNING) and not _is_alive(own):
        state = RunState.LOST
    return RunStatus(
        state,
        max(changed_at, _number(own.get("updated")) or 0.0),
        _number(own.get("total")) or total_steps,
        _number(own.get("eta_seconds")),
        str(own["reason"]) if own.get("reason") else None,
    )


def _is_alive(own: dict[str, Any]) -> bool:
    """Whether the process that wrote the status is there still; another one may have got its number since."""
    import psutil

    pid, updated = own.get("pid"), _number(own.get("updated"))
    if not isinstance(pid, int) or pid <= 0 or updated is None:
        return False
    if pid == os.getpid():
        return True
    try:
        return bool(psutil.Process(pid).create_time() <= updated)
    except psutil.Error:
        return False


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
