"""How far a job is: read from its files, stitched over attempts, at the cost of what was appended."""

import json
import math
import os
import threading
import time

import pytest

from glmcore.jobs import progress as module
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.points import THIN_POINTS
from glmcore.jobs.progress import SPARK_POINTS, JobProgress, ProgressReader
from glmcore.tuning.run_folder import write_whole

CLOCK = 1_700_000_000.0


@pytest.fixture
def folder(tmp_path):
    return JobFolder(tmp_path)


@pytest.fixture
def reader():
    return ProgressReader()


def append(folder, *points, end="\n"):
    with folder.metrics.open("a") as file:
        file.write("\n".join(json.dumps(point) for point in points) + end)


def point(step, loss, seconds=None, **more):
    time_of = CLOCK + (step if seconds is None else seconds)
    return {"loss": loss, "step": step, "time": time_of, "epoch": step / 100} | more


def evaluated(step, loss):
    return {"eval_loss": loss, "step": step, "time": CLOCK + step + 0.5, "epoch": step / 100}


def status(folder, state, **more):
    write_whole(folder.status, {"state": state, "started": CLOCK, "updated": CLOCK + 100, "pid": 1} | more)


def test_folder_without_files_is_a_beginning(folder, reader, tmp_path):
    assert reader.read(folder) == reader.read(JobFolder(tmp_path / "absent")) == JobProgress()


def test_running_job_tells_step_loss_and_what_is_left(folder, reader):
    append(folder, point(10, 3.0), point(20, 2.0, tokens_per_second=50.0, memory_bytes=7), evaluated(20, 2.5))
    append(folder, point(30, 2.2), evaluated(30, 2.7))
    status(folder, "running", step=33, total=200, epoch=0.33, eta_seconds=12.5)
    assert reader.read(folder) == JobProgress(
        stage="running",
        step=33,
        total=200,
        epoch=0.33,
        eta_seconds=12.5,
        last_loss=2.2,
        best_loss=2.0,
        last_eval_loss=2.7,
        best_eval_loss=2.5,
        losses=(3.0, 2.0, 2.2),
        seconds=100.0,
        tokens_per_second=50.0,
        memory_bytes=7,
    )


def test_what_was_appended_is_added_and_half_a_line_waits(folder, reader):
    append(folder, point(10, 3.0))
    assert reader.read(folder).losses == (3.0,)
    append(folder, point(20, 2.0), end="")
    assert reader.read(folder).losses == (3.0,)
    append(folder, end="\n")
    assert reader.read(folder).losses == (3.0, 2.0)


def test_resumed_run_forgets_what_it_computed_again(folder, reader):
    append(folder, point(10, 3.0), point(20, 1.0), point(30, 2.5))
    assert reader.read(folder).best_loss == 1.0
    append(folder, point(20, 2.0))
    found = reader.read(folder)
    assert (found.losses, found.best_loss, found.step) == ((3.0, 2.0), 2.0, 20)
    append(folder, point(30, 1.5))
    assert reader.read(folder).losses == (3.0, 2.0, 1.5)
    assert ProgressReader().read(folder) == reader.read(folder)


def test_no_nan_and_no_infinity_leaves_it(folder, reader):
    append(folder, point(1, math.nan, memory_bytes=math.inf), point(2, math.inf), point(3, -math.inf))
    status(folder, "running", step=math.nan, total=math.inf, epoch=math.nan, eta_seconds=-math.inf)
    found = reader.read(folder)
    assert (found.last_loss, found.best_loss, found.losses, found.memory_bytes) == (None, None, (), None)
    append(folder, point(4, 2.0), point(5, math.nan))
    found = reader.read(folder)
    assert (found.last_loss, found.best_loss, found.losses) == (2.0, 2.0, (2.0,))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["step"] == 5


def test_long_curve_becomes_few_points_and_keeps_its_spikes(folder, reader):
    losses = [5.0 - step / 500 for step in range(2000)]
    losses[833], losses[1666] = 99.0, -99.0
    for begin in range(0, 2000, 125):
        append(folder, *(point(step, losses[step]) for step in range(begin, begin + 125)))
        found = reader.read(folder)
    assert len(found.losses) <= SPARK_POINTS
    assert {99.0, -99.0} <= set(found.losses)
    assert (found.losses[0], found.losses[-1]) == (losses[0], losses[-1])
    assert len(ProgressReader().read(folder).losses) <= SPARK_POINTS < THIN_POINTS


def at(step, seconds, ran):
    return point(step, 3.0, seconds, train_runtime=ran)


def test_time_between_attempts_does_not_count(folder, reader):
    append(folder, at(10, 10, 7), at(20, 20, 17), {"train_loss": 3.0, "step": 20} | at(20, 21, 18))
    append(folder, at(30, 1000, 25), evaluated(30, 2.0), at(40, 1010, 35))  # stopped before it
    assert reader.read(folder).seconds == 18 + 35
    append(folder, at(40, 5000, 4), at(50, 5010, 14))  # killed before it, after step 40
    status(folder, "finished", started=CLOCK + 8000, updated=CLOCK + 8007)
    assert reader.read(folder).seconds == ProgressReader().read(folder).seconds == 18 + 35 + 14 + 7


def test_points_of_the_last_attempt_are_counted_once(folder, reader):
    append(folder, at(10, 10, 10), at(20, 20, 20))
    status(folder, "running", started=CLOCK + 500, updated=CLOCK + 501)
    assert reader.read(folder).seconds == 20 + 1
    append(folder, at(30, 520, 9), at(40, 530, 19))
    status(folder, "running", started=CLOCK + 500, updated=CLOCK + 530)
    assert reader.read(folder).seconds == ProgressReader().read(folder).seconds == 20 + 30


def test_seconds_of_an_attempt_under_way_go_on(folder, reader):
    now = time.time()
    status(folder, "preparing", started=now - 50, updated=now - 50)
    assert reader.read(folder, attempt_at=now - 55).seconds == pytest.approx(50, abs=5)
    assert reader.read(folder).seconds == 0.0


def test_word_of_an_earlier_attempt_is_passed_over(folder, reader):
    append(folder, point(10, 3.0))
    status(folder, "running", step=10, total=20, eta_seconds=99.0)
    found = reader.read(folder, attempt_at=CLOCK + 3600)
    assert (found.stage, found.eta_seconds, found.step, found.total) == ("", None, 10, 20)
    assert found.seconds == 100.0


def test_preparing_again_does_not_fall_back_to_step_0(folder, reader):
    append(folder, point(10, 3.0), point(20, 2.0))
    status(folder, "preparing", step=0, total=None)
    assert reader.read(folder).step == 20


def test_ended_run_has_nothing_left(folder, reader):
    status(folder, "failed", step=10, total=20, eta_seconds=99.0)
    assert (reader.read(folder).stage, reader.read(folder).eta_seconds) == ("failed", None)


def test_prediction_without_points_tells_its_rows(folder, reader):
    status(folder, "running", step=3, total=12, eta_seconds=9.0)
    found = reader.read(folder)
    assert (found.step, found.total, found.eta_seconds, found.losses, found.last_loss) == (
        3,
        12,
        9.0,
        (),
        None,
    )


def test_rewritten_and_removed_files_begin_anew(folder, reader):
    append(folder, point(10, 3.0), point(20, 2.0), point(30, 1.0))
    status(folder, "running", step=30)
    assert reader.read(folder).best_loss == 1.0
    folder.metrics.write_text(json.dumps(point(5, 4.0)) + "\n")
    folder.status.unlink()
    found = reader.read(folder)
    assert (found.losses, found.best_loss, found.stage, found.step) == ((4.0,), 4.0, "", 5)


HOSTILE = {
    "empty": b"",
    "no text": bytes(range(256)) * 10,
    "null bytes": b"\0" * 100_000 + b"\n" + b'{"loss": 1.0, "step": 1}\n',
    "lists": b"[1, 2]\n[[[[\n" + b"[" * 100_000 + b"\n",
    "odd values": b'{"loss": {"a": 1}, "step": [1], "time": "never"}\n{"loss": "x", "step": 1e999}\n',
    "huge numbers": b'{"loss": 1e308, "step": 1e300, "time": -1e308}\n'
    b'{"loss": -1e308, "step": 1e301, "time": 1e308}\n',
    "digits": b'{"loss": ' + b"9" * 5000 + b', "step": 1}\n',
    "lone surrogate": b'{"loss": 1.0, "step": 1, "\\ud800": 2}\n',
    "long line": b'{"loss": 1.0, "text": "' + b"x" * (3 << 20) + b'"}\n{"loss": 2.0, "step": 9}\n',
}
ODD_STATUS = {
    "list": "[]",
    "deep": "[" * 100_000,
    "odd values": '{"state": ["running"], "step": "x", "total": {}, "started": [], "updated": "y"}',
    "far apart": '{"state": "running", "step": true, "started": -1e308, "updated": 1e308}',
    "unknown state": '{"state": "<script>", "step": -4, "total": 1e300, "started": 1e308, "updated": -1e308}',
    "numbers in texts": '{"state": "running", "step": "7", "started": "nan", "eta_seconds": "-3"}',
    "half": '{"state": "runn',
    "huge": '{"state": "running", "x": "' + "x" * (2 << 20) + '"}',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_points_are_no_fault(folder, reader, data):
    folder.metrics.write_bytes(data)
    found = reader.read(folder)
    assert json.dumps(found.to_dict(), allow_nan=False) and len(found.losses) <= 2
    assert reader.read(folder) == found


@pytest.mark.parametrize("text", ODD_STATUS.values(), ids=ODD_STATUS)
def test_hostile_status_is_no_fault(folder, reader, text):
    append(folder, point(10, 3.0), point(20, 2.0))
    folder.status.write_text(text)
    for attempt_at in (None, CLOCK):
        found = reader.read(folder, attempt_at=attempt_at)
        assert json.dumps(found.to_dict(), allow_nan=False) and found.stage in ("", "running")
        assert found.losses == (3.0, 2.0) and found.step in (20, 7)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)])
def test_what_is_no_file_holds_nobody_up(folder, reader, make):
    make(folder.metrics)
    make(folder.status)
    assert reader.read(folder) == JobProgress()


def test_progress_survives_being_stored(folder, reader):
    append(folder, point(10, 3.0))
    status(folder, "finished", step=10)
    found = reader.read(folder)
    assert JobProgress.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_only_so_many_folders_are_remembered(tmp_path, reader, monkeypatch):
    monkeypatch.setattr(module, "MOST_FOLDERS", 2)
    folders = [JobFolder(tmp_path / name) for name in "abc"]
    for one in folders:
        one.path.mkdir()
        append(one, point(1, 3.0))
    assert [reader.read(one).losses for one in (*folders, folders[0])] == [(3.0,)] * 4
    assert list(reader._folders) == [folders[2].path, folders[0].path]


def test_cost_is_that_of_what_was_appended(folder, reader):
    append(folder, *(point(step, 3.0) for step in range(5_000)))
    while reader.read(folder).step < 4_999:
        pass
    before = reader._folders[folder.path]._tail.read_bytes
    append(folder, point(5_000, 2.0))
    assert reader.read(folder).last_loss == 2.0
    assert reader._folders[folder.path]._tail.read_bytes - before < 200
    assert reader._folders[folder.path]._points.loss.num_read == 5_001


def test_several_threads_read_one_folder(folder, reader):
    append(folder, point(1, 3.0))
    found = []

    def look():
        found.extend(reader.read(folder).step for _ in range(50))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for step in range(2, 30):
        append(folder, point(step, 3.0))
    for thread in threads:
        thread.join()
    assert len(found) == 200 and reader.read(folder).step == 29
