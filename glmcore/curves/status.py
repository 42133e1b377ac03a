"""How far a run is: told by its own status file, or guessed from a log that still grows."""

import math
import os
import time
from pathlib import Path
from typing import Any

from glmcore.curves.numbers import parse_number
from glmcore.curves.run import RunState, RunStatus
from glmcore.tuning.run_folder import RunFolder, read_whole

GROWING_SECONDS = 300.0  # a log of another program that changed so lately belongs to a run that goes on
CLOCK_SECONDS = 2.0  # the system tells when a process was started only so precisely

_OWN_STATES = (RunState.PREPARING, RunState.RUNNING, RunState.STOPPED, RunState.FAILED, RunState.FINISHED)


def read_status(
    path: Path, changed_at: float, total_steps: float | None, now: float | None = None
) -> RunStatus:
    """The status of the run in a folder (or of a lone log file).

    Args:
        changed_at: when its log last grew, in seconds since 1970.
        total_steps: what the log says about its end.
    """
    now = time.time() if now is None else now
    own = read_own_status(path)
    if not own:
        is_growing = changed_at > 0 and abs(now - changed_at) < GROWING_SECONDS
        return RunStatus(RunState.RUNNING if is_growing else RunState.UNKNOWN, changed_at, total_steps)
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


def read_own_status(path: Path) -> dict[str, Any]:
    """What one of our runs wrote about itself; empty of any other."""
    own = read_whole(RunFolder(path).status) if os.path.isdir(path) else {}
    state = own.get("state")
    return own if isinstance(state, str) and state in _OWN_STATES else {}


def _is_alive(own: dict[str, Any]) -> bool:
    """Whether the process that wrote the status is there still; another one may have got its number since."""
    import psutil

    pid, updated = own.get("pid"), _number(own.get("updated"))
    if type(pid) is not int or not 0 < pid < 1 << 31 or updated is None:
        return False
    if pid == os.getpid():
        return True
    try:
        process = psutil.Process(pid)
        is_same = process.create_time() <= updated + CLOCK_SECONDS
        return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _number(value: Any) -> float | None:
    number = parse_number(value)
    return number if number is not None and math.isfinite(number) else None
