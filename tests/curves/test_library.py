"""Runs found, read once, refreshed, kept on disk, and shared by pages that look at once."""

import json
import os
import threading
import time

import numpy as np
import pytest

from glmcore.curves import library as library_module
from glmcore.curves.library import STILL_READING, TOO_MANY_METRICS, CurveLibrary, LazyCurves
from glmcore.curves.logs import tail as tail_module
from glmcore.curves.run import RunState
from glmcore.curves.table import Block, PointTable
from glmcore.tuning.run_folder import write_whole
from tests.curves.event_records import losses


def line(step, **values):
    return json.dumps({"step": step, "loss": 1 / step} | values) + "\n"


def write(path, first, last, mode="a", **values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        file.writelines(line(step, **values) for step in range(first, last + 1))


def by_name(runs):
    return {run.name: run for run in runs}


def steps(run, name="loss"):
    return run.curves[name].steps.tolist()


def assert_same(run, other):
    assert list(run.curves) == list(other.curves)
    for name, series in run.curves.items():
        for part, same in ((series, other.curves[name]), (series.superseded, other.curves[name].superseded)):
            if part is None or same is None:
                assert part is same
                continue
            for one, two in ((part.steps, same.steps), (part.values, same.values), (part.times, same.times)):
                assert np.array_equal(one, two, equal_nan=True)
            for axis, values in part.along.items():
                assert np.array_equal(values, same.along[axis], equal_nan=True)
    assert run.status == other.status and run.problems == other.problems and run.config == other.config


@pytest.fixture
def jobs(tmp_path):
    folder = tmp_path / "jobs"
    for name in ("a", "b", "c"):
        write(folder / name / "metrics.jsonl", 1, 3, epoch=0.5)
    return folder


@pytest.fixture
def library(jobs):
    opened = CurveLibrary(None)
    opened.find([jobs])
    return opened


@pytest.fixture
def always_cached(monkeypatch):
    monkeypatch.setattr(library_module, "CACHE_AFTER_BYTES", 1)


def test_a_run_is_the_same_object_until_something_of_it_changes(library, jobs):
    first = by_name(library.refresh())
    write(jobs / "b" / "metrics.jsonl", 4, 4)
    second = by_name(library.refresh())
    assert [name for name in first if second[name] is not first[name]] == ["b"]
    assert second["b"].revision != first["b"].revision and second["a"].revision == first["a"].revision
    assert steps(second["b"]) == [1, 2, 3, 4] and steps(second["a"]) == [1, 2, 3]
    assert list(second["b"].curves) == ["loss"], "axes are no curves"
    assert second["b"].curves["loss"] is second["b"].curves["loss"], "stitched once"


def test_a_new_status_gives_a_new_run_of_the_same_revision(library, jobs):
    first = by_name(library.refresh())["a"]
    write_whole(jobs / "a" / "status.json", {"state": "finished", "pid": 1, "updated": 1.0})
    second = by_name(library.refresh())["a"]
    assert second is not first and second.revision == first.revision
    assert second.status.state is RunState.FINISHED


def test_runs_come_and_go_and_those_known_are_not_read_again(library, jobs):
    first = by_name(library.refresh())
    write(jobs / "d" / "metrics.jsonl", 1, 1)
    (jobs / "c" / "metrics.jsonl").unlink()
    library.find([jobs])
    second = by_name(library.refresh())
    assert list(second) == ["a", "b", "d"] and second["a"] is first["a"]
    write(jobs / "c" / "metrics.jsonl", 1, 5)
    library.find([jobs])
    again = by_name(library.refresh())["c"]
    assert steps(again) == [1, 2, 3, 4, 5] and again.revision != first["c"].revision


def test_metrics_of_both_logs_of_llama_factory_are_shown_and_its_own_comes_first(tmp_path):
    log = tmp_path / "sft" / "trainer_log.jsonl"
    write(log, 1, 4, lr=0.1, total_steps=9)
    library = CurveLibrary(None)
    library.find([tmp_path])
    (before,) = library.refresh()
    history = [{"step": 2, "loss": 9.0, "grad_norm": 0.5}, {"step": 4, "eval_loss": 0.4}]
    (tmp_path / "sft" / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    library.find([tmp_path])
    (run,) = library.refresh()
    assert run.form == "trainer_log.jsonl + trainer_state.json" and run.revision != before.revision
    assert set(run.curves) == {"loss", "learning_rate", "grad_norm", "eval_loss"}
    assert steps(run) == [1, 2, 3, 4] and steps(run, "eval_loss") == [4]
    assert run.status.total_steps == 9 and run.status.is_live
    with pytest.raises(KeyError):
        run.curves["epoch"]


def test_a_log_that_was_emptied_shows_no_old_points(library, jobs):
    library.refresh()
    (jobs / "a" / "metrics.jsonl").write_text("")
    run = by_name(library.refresh())["a"]
    assert list(run.curves) == [] and run.problems


def test_a_second_opening_equals_the_first_reading(tmp_path, jobs, always_cached):
    log = jobs / "a" / "metrics.jsonl"
    write(log, 2, 5, note="text", eval_loss=float("nan"))
    log.write_text("broken\n" + log.read_text())
    (jobs / "a" / "job.yaml").write_text("lora_rank: 8\n")
    events = jobs / "tb" / "events.out.tfevents.1.host.1.0"
    events.parent.mkdir()
    events.write_bytes(b"".join(losses(5)))
    (jobs / "csv").mkdir()
    (jobs / "csv" / "loss.csv").write_text("Wall time,Step,Value\n1,1,0.5\n2,2,0.25\n")
    runs = []
    for _ in range(2):
        library = CurveLibrary(tmp_path / "cache")
        library.find([jobs])
        runs.append(by_name(library.refresh()))
    first, second = runs
    assert list(first) == list(second) == ["a", "b", "c", "csv", "tb"]
    for name, run in first.items():
        assert_same(run, second[name])
    assert all(log.read_bytes == 0 for run in library._open.values() for log in run.logs)
    assert first["a"].curves["loss"].superseded is not None and first["a"].config == {"lora_rank": 8}
    assert list(first["csv"].curves) == list(second["csv"].curves) == ["loss"]


def test_a_metric_named_by_its_file_keeps_its_name_when_the_file_is_written_anew(tmp_path):
    path = tmp_path / "loss.csv"
    path.write_text("Wall time,Step,Value\n1,1,0.5\n2,2,0.25\n")
    library = CurveLibrary(None)
    library.find([path])
    assert list(library.refresh()[0].curves) == ["loss"]
    path.write_text("Wall time,Step,Value\n1,1,0.5\n")
    assert list(library.refresh()[0].curves) == ["loss"]


def test_a_log_that_grows_is_not_written_to_the_cache_each_time(tmp_path, jobs, monkeypatch):
    monkeypatch.setattr(library_module, "CACHE_AFTER_BYTES", 1000)
    library = CurveLibrary(tmp_path / "cache")
    library.find([jobs / "a"])
    written, save = [], library._cache.save
    monkeypatch.setattr(library._cache, "save", lambda *given: (written.append(1), save(*given)))
    for step in range(4, 204):
        write(jobs / "a" / "metrics.jsonl", step, step)
        library.refresh()
    assert 3 <= len(written) <= (jobs / "a" / "metrics.jsonl").stat().st_size // 1000


def test_reading_ends_at_the_deadline_and_goes_on_at_the_next_call(tmp_path, monkeypatch):
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 64 << 10)
    write(tmp_path / "big" / "metrics.jsonl", 1, 50_000)
    library = CurveLibrary(None)
    library.find([tmp_path])
    (run,) = library.refresh(0.0)
    assert not run.curves and [note.template for note in run.problems] == [STILL_READING]
    assert run.problems[0].text.startswith("Still reading: ")
    revisions = {run.revision}
    while run.problems or len(run.curves["loss"]) < 50_000:
        (run,) = library.refresh(0.01)
        revisions.add(run.revision)
    assert steps(run) == list(range(1, 50_001)) and len(revisions) > 1


def test_metrics_beyond_the_limit_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("glmcore.curves.table.MAX_METRICS", 3)
    write(tmp_path / "metrics.jsonl", 1, 2, **{f"metric{number}": 1 for number in range(5)})
    library = CurveLibrary(None)
    library.find([tmp_path])
    (run,) = library.refresh()
    assert len(run.curves) == 3 and [note.template for note in run.problems] == [TOO_MANY_METRICS]
    assert run.problems[0].values["count"] == 3


def test_pages_that_look_at_once_share_one_reading(library, jobs, monkeypatch):
    reading = threading.Semaphore(0)
    readings, refresh = [], library.refresh

    def read(seconds):
        readings.append(seconds)
        reading.acquire()
        return refresh(seconds)

    monkeypatch.setattr(library, "refresh", read)
    seen = []
    pages = [threading.Thread(target=lambda: seen.append(library.look([jobs], 5.0))) for _ in range(4)]
    for page in pages:
        page.start()
    reading.release()
    for page in pages:
        page.join(timeout=5)
    assert len(readings) == 1 and len(seen) == 4
    assert all(runs is seen[0][0] and len(runs) == 3 and not notes for runs, notes in seen)


def test_a_look_searches_again_after_a_while_only(library, jobs, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(library_module.time, "monotonic", lambda: clock[0])
    searches, find = [], library.find
    monkeypatch.setattr(library, "find", lambda paths: (searches.append(1), find(paths))[1])
    library.look([jobs], 5.0)
    write(jobs / "a" / "metrics.jsonl", 4, 4)
    write(jobs / "new" / "metrics.jsonl", 1, 1)
    clock[0] += 1
    assert steps(by_name(library.look([jobs], 5.0)[0])["a"]) == [1, 2, 3, 4], "known runs are read"
    clock[0] += 10
    runs, notes = library.look([jobs], 5.0)
    assert "new" in by_name(runs) and not notes and len(searches) == 2
    assert library.look([jobs / "nowhere"], 5.0)[1] and len(searches) == 3


def test_a_run_keeps_its_id_and_what_was_read_when_another_changes_its_name(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name / "run" / "metrics.jsonl", 1, 2)
    library = CurveLibrary(None)
    library.find([tmp_path / "two"])
    (alone,) = library.refresh()
    library.find([tmp_path / "one", tmp_path / "two"])
    runs = library.refresh()
    assert [run.name for run in runs] == ["run", str(tmp_path / "two" / "run")]
    assert runs[1].id == alone.id and runs[1].revision == alone.revision


def twenty(folder, count, lines):
    for number in range(count):
        write(folder / f"run{number:02}" / "trainer_log.jsonl", 1, lines, lr=1e-4)


def test_twenty_live_runs_that_got_a_line_each_are_refreshed_quickly(tmp_path):
    twenty(tmp_path, 20, 50)
    library = CurveLibrary(None)
    library.find([tmp_path])
    library.refresh()
    taken = []
    for step in range(51, 61):
        twenty_logs = sorted(tmp_path.glob("*/trainer_log.jsonl"))
        for log in twenty_logs:
            write(log, step, step, lr=1e-4)
        began = time.perf_counter()
        runs = library.refresh()
        taken.append(time.perf_counter() - began)
        assert all(run.curves["loss"].steps[-1] == step for run in runs)
    assert min(taken) < 0.05, "10 ms are asked for and measured; a busy machine gets more"


@pytest.mark.parametrize(
    "content", ["", "\n\n", "{", "\0" * 3000, "[1]\n" * 100, '{"step": 1}\n', '{"loss": NaN}']
)
def test_a_log_without_points_is_a_run_without_curves_or_with_one(tmp_path, content):
    path = tmp_path / "metrics.jsonl"
    path.write_text(content)
    os.utime(path, (1e9, 1e9))
    library = CurveLibrary(None)
    library.find([tmp_path])
    (run,) = library.refresh()
    assert len(run.curves) == int("NaN" in content) and not run.status.is_live
    assert all(note.text for note in run.problems)


def test_asking_whether_a_run_has_a_metric_computes_no_curve():
    table = PointTable()
    table.append(Block(np.arange(3.0), np.arange(3.0), {"loss": (np.arange(3), np.ones(3))}))
    curves = LazyCurves([table])
    assert "loss" in curves and "other" not in curves and not curves._stitched
    assert len(curves["loss"]) == 3
