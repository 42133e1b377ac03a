import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from glmcore.jobs import processes
from glmcore.jobs.processes import (
    JOB_VARIABLE,
    ProcessId,
    find_by_token,
    group_members,
    identify,
    identify_child,
    is_alive,
    kill_all,
    signal_group,
)

TOKEN = f"test-{os.getpid()}:1"
OTHER = f"test-{os.getpid()}:2"
DEAF = ["sh", "-c", 'trap "" TERM; echo ready; sleep 60']
# A child in a session of its own, as daemons make them; its parent waits with it.
LEAVING = [sys.executable, "-c", "import subprocess as s; s.run(['sleep', '60'], start_new_session=True)"]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command as leader of a group of its own; whatever is left of it is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(command: Sequence[str] = ("sleep", "60"), token: str | None = TOKEN) -> subprocess.Popen:
        environment = {name: value for name, value in os.environ.items() if name != JOB_VARIABLE}
        child = subprocess.Popen(
            command,
            start_new_session=True,
            stdout=subprocess.PIPE,
            env=environment | ({JOB_VARIABLE: token} if token else {}),
        )
        started.append(child)
        return child

    yield start_one
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    for token in (TOKEN, OTHER):
        kill_all(None, token)


def wait_until(holds: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not (is_so := bool(holds())) and time.monotonic() < end:
        time.sleep(0.005)
    return is_so


def test_a_process_is_known_by_its_start_until_it_ends(start: Start) -> None:
    child = start()
    process = identify(child.pid)
    assert process and process == identify(child.pid) and is_alive(process)
    child.kill()
    # Nobody has waited for it: it is a zombie now, whose pid is still its own.
    assert wait_until(lambda: identify(child.pid) is None)
    assert not is_alive(process)
    assert identify_child(child.pid) == process


def test_nobody_has_an_impossible_pid() -> None:
    assert [identify(pid) for pid in (0, -1, 2**40)] == [None] * 3


def test_a_pid_that_was_given_to_another_process_is_not_the_job(start: Start) -> None:
    child = start(token=None)
    forged = ProcessId(child.pid, "4ee1a9af/1")
    assert not is_alive(forged)
    assert group_members(forged, TOKEN) == []
    assert signal_group(forged, TOKEN, signal.SIGKILL) == kill_all(forged, TOKEN) == 0
    assert identify(child.pid)


def test_a_pid_reused_after_the_search_is_not_signalled(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start()
    leader = identify_child(child.pid)
    monkeypatch.setattr(processes, "_find", lambda _: [ProcessId(child.pid, "before")])
    assert signal_group(leader, TOKEN, signal.SIGKILL) == 0
    assert is_alive(leader)


def test_a_member_that_is_started_while_the_group_is_signalled_is_signalled_too(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = identify_child(start(["sh", "-c", "sleep 60 & sleep 60; true"]).pid)
    assert wait_until(lambda: len(group_members(leader, TOKEN)) == 3)
    find, looks = processes._find, []

    def see_only_the_leader_first(is_ours: Any) -> list[ProcessId]:
        looks.append(is_ours)
        return [leader] if len(looks) == 1 else find(is_ours)

    monkeypatch.setattr(processes, "_find", see_only_the_leader_first)
    assert signal_group(leader, TOKEN, signal.SIGTERM) >= 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are set through /proc")
def test_a_name_with_spaces_and_parentheses_is_no_riddle(start: Start) -> None:
    child = start(["sh", "-c", 'printf "a) Z 1 1 (" > /proc/$$/comm; echo ready; sleep 60; true'])
    assert child.stdout and child.stdout.readline() == b"ready\n"
    process = identify(child.pid)
    assert process and group_members(process, TOKEN)[0] == process


def test_a_group_is_found_when_its_leader_is_gone(start: Start) -> None:
    child = start(["sh", "-c", "sleep 60 > /dev/null & exit 0"])
    leader = identify_child(child.pid)
    child.wait()
    assert wait_until(lambda: group_members(leader, TOKEN))
    [member] = group_members(leader, TOKEN)
    assert member.pid != leader.pid
    assert signal_group(leader, TOKEN, signal.SIGTERM) == 1
    assert wait_until(lambda: not is_alive(member))
    assert group_members(leader, TOKEN) == []


def test_the_leader_needs_no_token_but_must_not_carry_another(start: Start) -> None:
    silent, other = identify_child(start(token=None).pid), identify_child(start(token=OTHER).pid)
    assert group_members(silent, TOKEN) == [silent]
    # While it becomes its program it has no environment for a moment: hence the waiting here and below.
    assert wait_until(lambda: group_members(other, TOKEN) == [])


def test_a_member_that_is_not_certain_is_never_signalled(start: Start) -> None:
    silent, other = f"env -u {JOB_VARIABLE}", f"env {JOB_VARIABLE}={OTHER}"
    child = start(["sh", "-c", f"{silent} sleep 60 & echo $!; {other} sleep 60 & echo $!; wait"])
    assert child.stdout
    foreign = [int(child.stdout.readline()) for _ in range(2)]
    leader = identify_child(child.pid)
    assert wait_until(lambda: group_members(leader, TOKEN) == [leader])
    assert kill_all(leader, TOKEN) == 1
    assert all(map(identify, foreign))
    os.kill(foreign[0], signal.SIGKILL)


def test_a_member_that_ignores_the_polite_signal_is_killed(start: Start) -> None:
    child = start(DEAF)
    assert child.stdout and child.stdout.readline() == b"ready\n"
    leader = identify_child(child.pid)
    assert wait_until(lambda: signal_group(leader, TOKEN, signal.SIGTERM) == 2)
    assert kill_all(leader, TOKEN) == 2
    assert group_members(leader, TOKEN) == []
    assert child.wait() == -signal.SIGKILL


@pytest.mark.parametrize("knows_leader", [True, False])
def test_a_child_that_left_the_group_is_killed_by_its_token(start: Start, knows_leader: bool) -> None:
    leader = identify_child(start(LEAVING).pid)
    assert wait_until(lambda: len(find_by_token(TOKEN)) == 2)
    assert group_members(leader, TOKEN) == [leader]
    assert kill_all(leader if knows_leader else None, TOKEN) == 2
    assert find_by_token(TOKEN) == []


def test_whoever_looks_never_finds_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_token_of", lambda pid: TOKEN if pid == os.getpid() else None)
    assert find_by_token(TOKEN) == []
    assert kill_all(ProcessId(os.getpgrp(), ""), TOKEN) == 0


def test_it_works_without_proc_and_pidfd(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_IS_LINUX", False)
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    child = start()
    leader = identify(child.pid)
    assert leader and wait_until(lambda: find_by_token(TOKEN) == [leader])
    assert group_members(leader, TOKEN) == [leader]
    assert kill_all(leader, TOKEN) == 1
    assert identify(child.pid) is None and identify(2**40) is None
    assert find_by_token(TOKEN) == []
