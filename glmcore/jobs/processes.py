"""Processes known for certain: a pid alone may be another process's by now.

Whose a process is, its environment tells: all that a job starts carries the token of its attempt there. On
Linux it is read from /proc, and signals go through a pidfd; elsewhere psutil and `kill` do what they can.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

JOB_VARIABLE = "GLMCORE_JOB"
KILL_ROUNDS, SECONDS_BETWEEN = 50, 0.02  # a second: longer lives only what hangs in the kernel

_IS_LINUX = sys.platform.startswith("linux")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that no other is taken for.

    Attributes:
        started: when it was started, in a form that the system gives alike every time and that no restart of
            the machine repeats.
    """

    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the system said about a process at one moment."""

    process: ProcessId
    group: int
    is_zombie: bool


def identify(pid: int) -> ProcessId | None:
    """Who has this pid now; None for nobody, or a zombie that nobody has waited for."""
    seen = _look(pid)
    return None if seen is None or seen.is_zombie else seen.process


def identify_child(pid: int) -> ProcessId:
    """Our own child that nobody has waited for yet, so that the pid is its own even if it has ended."""
    seen = _look(pid)
    return seen.process if seen else ProcessId(pid, "")


def is_alive(process: ProcessId) -> bool:
    return identify(process.pid) == process


def group_members(leader: ProcessId, token: str) -> list[ProcessId]:
    """The living processes of a job's group, also when its leader is gone.

    A group's id stays taken while one member lives, and may be another group's afterwards: hence the token.
    The leader itself needs none, its start is proof.
    """
    return _find(lambda seen: _is_member(seen, leader, token))


def find_by_token(token: str) -> list[ProcessId]:
    """This user's living processes that carry the token, in whatever group or session."""
    return _find(lambda seen: _has_token(seen, token))


def signal_group(leader: ProcessId, token: str, number: int) -> int:
    """Send a signal to the members of a job's group, each verified again at that moment.

    Returns:
        How many got it.
    """

    def is_ours(seen: _Seen) -> bool:
        return _is_member(seen, leader, token)

    count, tried = 0, set[ProcessId]()
    while new := [process for process in _find(is_ours) if process not in tried]:
        tried.update(new)  # one that was started since the first look would not be told
        count += sum(_send(process, is_ours, number) for process in new)
    return count


def kill_all(leader: ProcessId | None, token: str) -> int:
    """Kill a job's group and all that left it but carries its token, until nothing of it is left.

    Returns:
        How many there were. What `group_members` and `find_by_token` still find hangs in the kernel.
    """

    def is_ours(seen: _Seen) -> bool:
        return _has_token(seen, token) or (leader is not None and _is_member(seen, leader, token))

    killed: set[ProcessId] = set()
    quiet = 0
    for _ in range(KILL_ROUNDS):
        found = _find(is_ours)
        # A process has no environment for the moment in which it becomes another program: look twice.
        quiet = 0 if found else quiet + 1
        if quiet == 2:
            break
        killed.update(process for process in found if _send(process, is_ours, signal.SIGKILL))
        time.sleep(SECONDS_BETWEEN)
    return len(killed)


def _is_member(seen: _Seen, leader: ProcessId, token: str) -> bool:
    if seen.group != leader.pid:
        return False
    found = _token_of(seen.process.pid)
    return found == token or (found is None and seen.process == leader)


def _has_token(seen: _Seen, token: str) -> bool:
    return _token_of(seen.process.pid) == token


def _find(is_ours: Callable[[_Seen], bool]) -> list[ProcessId]:
    # Never the one that looks: a dashboard may have been started from within a job.
    everyone = (_look(pid) for pid in _pids() if pid != os.getpid())
    return [seen.process for seen in everyone if seen and not seen.is_zombie and is_ours(seen)]


def _send(process: ProcessId, is_ours: Callable[[_Seen], bool], number: int) -> bool:
    with suppress(OSError), _held(process.pid) as send:
        seen = _look(process.pid)  # once more, now that nobody else can be behind what is held
        if seen and seen.process == process and is_ours(seen):
            send(number)
            return True
    return False


@contextmanager
def _held(pid: int) -> Iterator[Callable[[int], None]]:
    """A way to signal the process that has this pid now, and never one that has it later."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):  # not Linux, or a kernel or sandbox without it
        yield lambda number: os.kill(pid, number)
        return
    try:
        yield lambda number: signal.pidfd_send_signal(held, number)
    finally:
        os.close(held)


def _pids() -> list[int]:
    if _IS_LINUX:
        return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]
    import psutil

    return list(psutil.pids())


def _look(pid: int) -> _Seen | None:
    if not _IS_LINUX:
        return _look_elsewhere(pid)
    try:
        line = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in the second field may hold spaces and parentheses; after it stands no further one.
    state, _, group, *fields = line[line.rindex(b")") + 1 :].split()
    started = f"{_boot_id()}/{int(fields[16])}"  # field 22: clock ticks since the machine started
    return _Seen(ProcessId(pid, started), int(group), state in (b"Z", b"X"))


def _look_elsewhere(pid: int) -> _Seen | None:
    import psutil

    try:
        process = psutil.Process(pid)
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        return _Seen(ProcessId(pid, str(process.create_time())), os.getpgid(pid), is_zombie)
    except (psutil.Error, OSError, ValueError):
        return None


@cache
def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _token_of(pid: int) -> str | None:
    """The token in a process's environment as it was started; None without one or for another user."""
    if not _IS_LINUX:
        return _token_elsewhere(pid)
    place = _PROC / str(pid)
    try:
        if place.stat().st_uid != os.geteuid():
            return None
        entries = (place / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    start = f"{JOB_VARIABLE}=".encode()
    return next((os.fsdecode(entry[len(start) :]) for entry in entries if entry.startswith(start)), None)


def _token_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.environ().get(JOB_VARIABLE) if process.uids().effective == os.geteuid() else None
    except (psutil.Error, OSError, ValueError):
        return None
