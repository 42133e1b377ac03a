"""Starts the supervisor of a job's attempt, and reads what it left."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from glmcore.core.errors import JobError, StorageError
from glmcore.jobs.folder import JobFolder, open_log, read_told
from glmcore.jobs.processes import JOB_VARIABLE, ProcessId, identify_child
from glmcore.tuning.run_folder import write_whole

_SUPERVISOR = "glmcore.jobs.supervise"
_ROOT = Path(__file__).resolve().parents[2]  # where `glmcore` is imported from

_children: list[subprocess.Popen[bytes]] = []  # those not waited for yet
_children_lock = threading.Lock()


def launch(
    folder: JobFolder, token: str, command: Sequence[str], environment: Mapping[str, str], cwd: Path
) -> ProcessId:
    """Start a command under a supervisor, in a session and group of their own.

    Args:
        folder: it is there; what an earlier attempt left in it says nothing any more.
        environment: added to the server's own, which the command gets without Streamlit's settings. It is
            written to the folder, the server's own is not.

    Returns:
        The supervisor, leader of the group.

    Raises:
        StorageError: the job's folder cannot be written.
        JobError: the system starts no process.
    """
    reap()
    values = {"token": token, "command": [*command], "environment": {**environment}, "cwd": str(cwd)}
    try:
        folder.exit.unlink(missing_ok=True)
        folder.supervisor.unlink(missing_ok=True)
        write_whole(folder.launch, values)
        log = open_log(folder)
    except OSError as fault:
        raise StorageError(
            "The job was not started: {path} cannot be written ({fault}). Make room on the disk, or make the "
            "folder writable, then start it again.",
            path=fault.filename or folder.path,
            fault=fault.strerror or fault,
        ) from None
    with log:
        return _start(folder, token, log.fileno())


def _start(folder: JobFolder, token: str, log: int) -> ProcessId:
    own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", _SUPERVISOR, str(folder.path.absolute()), token],
            cwd=_ROOT,
            env=own | {JOB_VARIABLE: token},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as fault:
        raise JobError(
            "The job was not started: the system starts no further process ({fault}). End some programs or "
            "free memory, then start it again.",
            fault=fault.strerror or fault,
        ) from None
    with _children_lock:
        _children.append(child)
        return identify_child(child.pid)  # under the lock: nobody waits for it before it is identified


def reap() -> None:
    """Wait for the supervisors that have ended, so that the system forgets them."""
    with _children_lock:
        _children[:] = [child for child in _children if child.poll() is None]


def read_exit(folder: JobFolder, token: str) -> int | None:
    """The exit code of an attempt's command, negative for a signal; None while nobody saw it end."""
    found = read_told(folder.exit)
    code = found.get("code")
    return code if found.get("token") == token and isinstance(code, int) else None


def read_supervisor(folder: JobFolder, token: str) -> ProcessId | None:
    """The supervisor of an attempt, as it introduced itself; it need not live any more."""
    found = read_told(folder.supervisor)
    pid, started = found.get("pid"), found.get("started")
    if found.get("token") == token and isinstance(pid, int) and isinstance(started, str):
        return ProcessId(pid, started)
    return None
