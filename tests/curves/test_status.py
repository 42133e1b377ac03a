"""How far a run is: by its own word while its process lives, else by a log that grows."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from glmcore.curves.run import RunState, RunStatus
from glmcore.curves.status import read_own_status, read_status
from glmcore.tuning.run_folder import RunFolder, write_whole

NOW = 2e9


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def state_of(folder, **values):
    write_whole(folder.status, {"state": "running", "updated": time.time(), "pid": os.getpid()} | values)
    return read_status(folder.path, 0.0, None).state


@pytest.fixture(scope="module")
def child():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_our_run_says_how_far_it_is(folder):
    own = {
        "state": "running",
        "pid": os.getpid(),
        "updated": NOW,
        "step": 3,
        "total": 100,
        "eta_seconds": 60.5,
    }
    write_whole(folder.status, own)
    assert read_status(folder.path, NOW - 50, 7, NOW) == RunStatus(RunState.RUNNING, NOW, 100, 60.5, None)


def test_our_run_says_why_it_ended(folder):
    write_whole(folder.status, {"state": "failed", "pid": 1, "updated": 5, "reason": "out of memory"})
    status = read_status(folder.path, NOW, 7, NOW)
    assert status == RunStatus(RunState.FAILED, NOW, 7, None, "out of memory") and not status.is_live


@pytest.mark.parametrize("state", ["preparing", "running"])
def test_a_run_lives_while_its_process_does(folder, child, state):
    assert state_of(folder, state=state, pid=child.pid) == state


def test_a_run_whose_process_was_started_after_its_last_word_is_lost(folder, child):
    started = psutil.Process(child.pid).create_time()
    assert state_of(folder, pid=child.pid, updated=started - 60) is RunState.LOST
    assert state_of(folder, pid=child.pid, updated=started - 0.5) is RunState.RUNNING, "clocks are not exact"


def test_a_run_whose_process_is_gone_is_lost(folder):
    process = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.005)
    assert state_of(folder, pid=process.pid) is RunState.LOST, "killed, and nobody asked how it ended"
    process.wait()
    assert state_of(folder, pid=process.pid) is RunState.LOST


@pytest.mark.parametrize("pid", [None, 0, -1, True, 10**30, 2**31, "1", 1.0, [1]])
def test_a_process_number_that_is_none_is_of_no_process(folder, pid):
    assert state_of(folder, pid=pid) is RunState.LOST


@pytest.mark.parametrize("updated", [None, "soon", [], {}, True])
def test_a_run_without_a_time_of_its_last_word_is_lost(folder, updated):
    assert state_of(folder, updated=updated) is RunState.LOST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"state": []}',
        '{"state": {}}',
        '{"state": "swimming"}',
        '{"state": null}',
        '{"state": "lost"}',
        '{"state": "unknown"}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_a_broken_or_foreign_status_file_counts_for_nothing(folder, text):
    folder.status.write_text(text, encoding="latin-1")
    assert read_status(folder.path, NOW - 10, 9, NOW) == RunStatus(RunState.RUNNING, NOW - 10, 9)
    assert read_own_status(folder.path) == {}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", str(10**400), '"x"', "[]", "true", "null"])
def test_numbers_that_are_none_are_left_out(folder, value):
    folder.status.write_text(
        f'{{"state": "finished", "total": {value}, "eta_seconds": {value}, "updated": {value}}}'
    )
    assert read_status(folder.path, 5.0, None, NOW) == RunStatus(RunState.FINISHED, 5.0)


@pytest.mark.parametrize(
    ("changed_at", "state"),
    [
        (NOW - 10, RunState.RUNNING),
        (NOW + 10, RunState.RUNNING),  # the clock of another machine
        (NOW - 400, RunState.UNKNOWN),
        (NOW + 4000, RunState.UNKNOWN),
        (0.0, RunState.UNKNOWN),
    ],
)
def test_a_log_of_another_program_is_live_while_it_grows(tmp_path, changed_at, state):
    log = tmp_path / "log.jsonl"
    log.write_text("{}")
    for path in (tmp_path, log, tmp_path / "nothing"):
        assert read_status(path, changed_at, 3.0, NOW) == RunStatus(state, changed_at, 3.0)


def test_the_reason_may_be_anything(folder):
    write_whole(folder.status, {"state": "stopped", "reason": ["<b>", 1]})
    assert read_status(folder.path, 1.0, None).reason == json.dumps(["<b>", 1]).replace('"', "'")
