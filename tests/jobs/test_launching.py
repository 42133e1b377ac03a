import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glmcore.core.errors import StorageError
from glmcore.jobs import launching
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.launching import launch, read_exit, read_supervisor, reap
from glmcore.jobs.processes import (
    ProcessId,
    find_by_token,
    group_members,
    identify,
    is_alive,
    kill_all,
    signal_group,
)
from glmcore.tuning.run_folder import read_whole, write_whole

TOKEN = f"launch-{os.getpid()}:1"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[JobFolder]:
    yield JobFolder(tmp_path)
    kill_all(None, TOKEN)
    wait_for(lambda: reap() or not launching._children)


def wait_for(value: Callable[[], object]) -> object:
    end = time.monotonic() + 20
    while not (found := value()) and time.monotonic() < end:
        time.sleep(0.005)
    return found


def started(folder: JobFolder, *command: str) -> ProcessId:
    return launch(folder, TOKEN, command, {}, folder.path)


def test_a_command_runs_to_its_end_in_a_group_of_its_own(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "1")
    monkeypatch.setenv("SERVERS_OWN", "secret")
    script = 'echo "<$A$STREAMLIT_SERVER_PORT $SERVERS_OWN>"; exit 7'
    leader = launch(folder, TOKEN, ["sh", "-c", script], {"A": "é"}, folder.path)
    assert wait_for(lambda: read_exit(folder, TOKEN)) == 7
    assert read_supervisor(folder, TOKEN) == leader
    assert folder.log.read_text(encoding="utf-8").splitlines()[-1] == "<é secret>"
    assert "secret" not in folder.launch.read_text()
    assert wait_for(lambda: identify(leader.pid) is None)


def test_an_ended_supervisor_is_waited_for(folder: JobFolder) -> None:
    leader = started(folder, "true")
    assert wait_for(lambda: not is_alive(leader))
    os.kill(leader.pid, 0)  # a zombie, which counts as gone
    reap()
    with pytest.raises(ProcessLookupError):
        os.kill(leader.pid, 0)


def test_what_an_earlier_attempt_left_says_nothing(folder: JobFolder) -> None:
    write_whole(folder.exit, {"token": "before:1", "code": 0})
    write_whole(folder.supervisor, {"token": "before:1", "pid": 1, "started": "x"})
    assert read_exit(folder, TOKEN) is None and read_supervisor(folder, TOKEN) is None
    started(folder, "sleep", "60")
    assert read_whole(folder.exit) == {} and read_exit(folder, "before:1") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"token": "a:1", "code": "0", "pid": "1", "started": 5}', "\0"]
)
def test_broken_files_say_nothing(tmp_path: Path, text: str) -> None:
    folder = JobFolder(tmp_path)
    folder.exit.write_text(text)
    folder.supervisor.write_text(text)
    assert read_exit(folder, "a:1") is None and read_supervisor(folder, "a:1") is None


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot be written .*No such file"):
        started(JobFolder(tmp_path / "gone"), "true")


def test_a_killed_supervisor_leaves_its_command_to_be_found(folder: JobFolder) -> None:
    leader = started(folder, "sleep", "60")
    assert wait_for(lambda: len(group_members(leader, TOKEN)) == 2)
    os.kill(leader.pid, signal.SIGKILL)
    assert wait_for(lambda: reap() or not is_alive(leader))
    assert wait_for(lambda: group_members(leader, TOKEN))
    [left] = group_members(leader, TOKEN)
    assert find_by_token(TOKEN) == [left] and read_exit(folder, TOKEN) is None
    assert kill_all(leader, TOKEN) == 1
    assert not is_alive(left)


def test_the_group_is_asked_to_end_and_the_supervisor_tells_how_it_did(folder: JobFolder) -> None:
    leader = started(folder, "sh", "-c", "echo up; sleep 60; true")
    assert wait_for(lambda: b"up" in folder.log.read_bytes())
    assert signal_group(leader, TOKEN, signal.SIGTERM) >= 2
    assert wait_for(lambda: read_exit(folder, TOKEN)) == -signal.SIGTERM


def test_a_deaf_command_is_killed_with_its_supervisor(folder: JobFolder) -> None:
    leader = started(folder, "sh", "-c", 'trap "" TERM; echo deaf; while :; do sleep 60; done')
    assert wait_for(lambda: b"deaf" in folder.log.read_bytes())
    signal_group(leader, TOKEN, signal.SIGTERM)
    assert group_members(leader, TOKEN)
    assert kill_all(leader, TOKEN) >= 2
    assert group_members(leader, TOKEN) == [] and read_exit(folder, TOKEN) is None
