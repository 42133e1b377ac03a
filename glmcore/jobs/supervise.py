"""The small parent of a job's command: it writes how the command ended, whatever the dashboard does.

`python -m glmcore.jobs.supervise <job folder> <token>`, started by `launching`. The command joins its group
and session and prints where it prints, which is the job's log.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from glmcore.jobs.folder import JobFolder
from glmcore.jobs.processes import JOB_VARIABLE, identify_child
from glmcore.tuning.run_folder import read_whole, write_whole

CANNOT_START = 127  # what shells say
TRIES, SECONDS_BETWEEN = 5, 1.0


def supervise(folder: JobFolder, token: str) -> int:
    """Run what `.launch.json` says and write `.exit.json`.

    Returns:
        The exit code as shells give it: 128 and more for a signal.
    """
    launch = read_whole(folder.launch)
    if launch.get("token") != token:
        return 0  # too late: another attempt has begun, and this one has no say any more
    signals = _outlive_signals()
    me = identify_child(os.getpid())
    with suppress(OSError):  # a full disk: who started us knows it too
        write_whole(folder.supervisor, {"token": token, "pid": me.pid, "started": me.started})
    gap = "\n" if folder.log.exists() and folder.log.stat().st_size else ""
    _print(f"{gap}=== attempt {token.rpartition(':')[2]}, {time.strftime('%Y-%m-%dT%H:%M:%S%z')}")
    code = _run(launch, token, signals)
    write_exit(folder, token, code)
    return code if code >= 0 else 128 - code


def _run(launch: Mapping[str, Any], token: str, signals: Sequence[int]) -> int:
    environment = os.environ | launch["environment"] | {JOB_VARIABLE: token, "PYTHONUNBUFFERED": "1"}
    try:
        command = subprocess.Popen(
            launch["command"], cwd=launch["cwd"], env=environment, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError) as fault:
        _print(f"The command {launch['command'][0]!r} could not be started in {launch['cwd']!r}: {fault}")
        return CANNOT_START
    for number in signals:  # that came before there was a command to get them
        command.send_signal(number)
    return command.wait()


def write_exit(folder: JobFolder, token: str, code: int) -> None:
    """Say how the attempt ended, unless another has begun; a full disk is tried a few times, then left."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(SECONDS_BETWEEN)
        if read_whole(folder.launch).get("token") != token:
            return
        with suppress(OSError):
            write_whole(folder.exit, {"token": token, "code": code, "time": time.time()})
            return


def _outlive_signals() -> list[int]:
    """The group is signalled as a whole, and this one is to see how the command takes it.

    A function that notes it, since an ignored signal would stay ignored in the command.

    Returns:
        The signals that came, those to come too.
    """
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: came.append(number))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored, it would hide the exit code
    return came


def _print(line: str) -> None:
    with suppress(OSError):  # unbuffered, so that a full disk is no matter at the end either
        os.write(sys.stdout.fileno(), f"{line}\n".encode(errors="replace"))


if __name__ == "__main__":
    sys.exit(supervise(JobFolder(Path(sys.argv[1])), sys.argv[2]))
