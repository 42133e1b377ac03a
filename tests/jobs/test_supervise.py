import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glmcore.jobs import supervise
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.launching import read_exit, read_supervisor
from glmcore.tuning.run_folder import write_whole
from tests.sources import ROOT

TOKEN = "a-job:2"


def run(folder: JobFolder, command: list[str], **environment: str) -> tuple[int, str]:
    """What the supervisor exits with and prints when it runs a command."""
    values = {"token": TOKEN, "command": command, "environment": environment, "cwd": str(folder.path)}
    write_whole(folder.launch, values)
    return supervised(folder)


def supervised(folder: JobFolder) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "glmcore.jobs.supervise", str(folder.path), TOKEN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    return done.returncode, done.stdout


def test_a_command_gets_its_environment_and_folder_and_no_input(tmp_path: Path) -> None:
    script = 'echo "$GLMCORE_JOB $A $PYTHONUNBUFFERED" `pwd -P`; cat; echo oops >&2; exit 3'
    code, printed = run(JobFolder(tmp_path), ["sh", "-c", script], A="with space")
    marker, *lines = printed.splitlines()
    assert marker.startswith("=== attempt 2, 20")
    assert lines == [f"{TOKEN} with space 1 {tmp_path.resolve()}", "oops"]
    assert code == read_exit(JobFolder(tmp_path), TOKEN) == 3


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    code, _ = run(JobFolder(tmp_path), ["sh", "-c", "kill -KILL $$"])
    assert (code, read_exit(JobFolder(tmp_path), TOKEN)) == (128 + 9, -9)


def test_it_outlives_signals_that_end_the_command(tmp_path: Path) -> None:
    code, _ = run(JobFolder(tmp_path), ["sh", "-c", "kill -HUP 0; sleep 60"])
    assert (code, read_exit(JobFolder(tmp_path), TOKEN)) == (128 + 1, -1)


def test_the_command_ignores_no_signal(tmp_path: Path) -> None:
    _, printed = run(JobFolder(tmp_path), ["sh", "-c", "grep SigIgn /proc/self/status"])
    ignored = int(printed.split()[-1], 16)
    assert not any(
        ignored >> (number - 1) & 1
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
    )


@pytest.mark.parametrize("program", ["no-such-program", "/", "a\0b"])
def test_a_command_that_cannot_be_started_is_an_exit_with_a_sentence(tmp_path: Path, program: str) -> None:
    code, printed = run(JobFolder(tmp_path), [program])
    assert code == read_exit(JobFolder(tmp_path), TOKEN) == supervise.CANNOT_START
    assert "could not be started" in printed and "Traceback" not in printed


@pytest.mark.parametrize("launch", ['{"token": "a-job:3"}', "", "[]", "{"])
def test_one_that_comes_too_late_does_nothing(tmp_path: Path, launch: str) -> None:
    JobFolder(tmp_path).launch.write_text(launch)
    assert supervised(JobFolder(tmp_path)) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == [".launch.json"]


def test_attempts_stand_apart_in_the_log(tmp_path: Path) -> None:
    JobFolder(tmp_path).log.write_text("half a line")
    _, printed = run(JobFolder(tmp_path), ["true"])
    assert printed.startswith("\n=== attempt 2, ")


def test_it_introduces_itself_before_the_command_runs(tmp_path: Path) -> None:
    _, printed = run(JobFolder(tmp_path), ["sh", "-c", "cat .supervisor.json; echo $PPID"])
    introduced = json.loads(printed[printed.index("{") : printed.index("}") + 1])
    assert introduced["token"] == TOKEN and introduced["pid"] == int(printed.split()[-1])
    supervisor = read_supervisor(JobFolder(tmp_path), TOKEN)
    assert supervisor and supervisor.started == introduced["started"]


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "SECONDS_BETWEEN", 0.0)


@pytest.mark.usefixtures("no_waiting")
def test_a_full_disk_is_tried_again_and_then_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, failures = JobFolder(tmp_path), []
    write_whole(folder.launch, {"token": TOKEN})

    def write(path: Path, values: dict[str, object]) -> None:
        if len(failures) < room_after:
            failures.append(path)
            raise OSError(28, "No space left on device")
        write_whole(path, values)

    monkeypatch.setattr(supervise, "write_whole", write)
    room_after = supervise.TRIES
    supervise.write_exit(folder, TOKEN, 5)
    assert len(failures) == supervise.TRIES and read_exit(folder, TOKEN) is None
    room_after = supervise.TRIES + 2
    supervise.write_exit(folder, TOKEN, 5)
    assert read_exit(folder, TOKEN) == 5


def test_the_end_of_an_earlier_attempt_is_not_written_over_a_later_one(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    write_whole(folder.launch, {"token": "a-job:3"})
    supervise.write_exit(folder, TOKEN, 0)
    assert not folder.exit.exists()


def test_a_folder_deleted_meanwhile_is_no_fault(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    os.mkdir(folder.path)
    code, printed = run(folder, ["sh", "-c", f"rm -r {folder.path}; exit 4"])
    assert code == 4 and "Traceback" not in printed


def test_a_signal_that_came_before_the_command_reaches_it(tmp_path: Path) -> None:
    launch = {"command": ["sleep", "60"], "environment": {}, "cwd": str(tmp_path)}
    assert supervise._run(launch, TOKEN, [signal.SIGTERM]) == -signal.SIGTERM
