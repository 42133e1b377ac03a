"""Real runs in folders that were used before: what they go on from, and what they leave as it is."""

import subprocess
import sys
import textwrap

import pytest

from glmcore.core.errors import ConfigError, JobError, StorageError
from glmcore.tuning.run_folder import RunFolder, write_whole
from tests.tuning.running import (
    assert_same_tensors,
    checkpoint,
    evaluate_as,
    learnt_weights,
    numbers_by_step,
    points,
    read_json,
    run,
    write_rows,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_folder_in_use_is_refused(tmp_path):
    """By another process, whose lock ends with it."""
    (tmp_path / "run").mkdir()
    code = textwrap.dedent(
        f"""
        import sys
        from filelock import FileLock
        lock = FileLock({str(tmp_path / "run" / ".lock")!r})
        lock.acquire()
        print("held", flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(JobError, match="in use by another run"):
            run(tmp_path, "llama", max_steps=1)
        assert not (tmp_path / "run" / "status.json").exists()
        other.kill()
    assert run(tmp_path, "llama", max_steps=1).state == "finished"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        run(tmp_path, "llama", max_steps=1, output_dir="/proc/none/run")


def test_a_finished_run_that_is_refused_stays_finished(tmp_path):
    run(tmp_path, "llama", max_steps=1)
    before = (tmp_path / "run" / "status.json").read_text()
    with pytest.raises(ConfigError, match="finished at step 1"):
        run(tmp_path, "llama", max_steps=1)
    assert (tmp_path / "run" / "status.json").read_text() == before
    assert read_json(tmp_path / "run" / "results.json")["state"] == "finished"


def test_more_steps_go_on_from_a_finished_run(tmp_path):
    whole, longer = tmp_path / "whole", tmp_path / "longer"
    whole.mkdir(), longer.mkdir()
    constant = {"lr_scheduler_type": "constant"}
    run(whole, "llama", max_steps=4, **constant)
    run(longer, "llama", max_steps=2, **constant)
    assert run(longer, "llama", max_steps=4, **constant).step == 4
    assert numbers_by_step(longer, "loss") == numbers_by_step(whole, "loss")


def test_a_run_that_died_after_its_last_checkpoint_learns_nothing_more(tmp_path):
    """Between the checkpoint and saying that it is finished."""
    run(tmp_path, "llama", max_steps=2)
    weights, written = learnt_weights(checkpoint(tmp_path, 2)), points(tmp_path)
    write_whole(RunFolder(tmp_path / "run").status, {"state": "running", "step": 2})
    outcome = run(tmp_path, "llama", max_steps=2)
    assert (outcome.state, outcome.step) == ("finished", 2)
    assert_same_tensors(learnt_weights(checkpoint(tmp_path, 2)), weights)
    assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2]
    assert len([point for point in points(tmp_path) if "loss" in point]) == len(
        [point for point in written if "loss" in point]
    )
    assert read_json(tmp_path / "run" / "status.json")["state"] == "finished"
    assert [one.name for one in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-2"]


def test_fewer_steps_than_were_learnt_change_nothing(tmp_path):
    run(tmp_path, "llama", max_steps=4)
    outcome = run(tmp_path, "llama", max_steps=2)
    assert (outcome.state, outcome.step) == ("finished", 4)
    assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2, 3, 4]


def test_a_half_last_line_of_the_metrics_is_cut(tmp_path):
    run(tmp_path, "llama", max_steps=2)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"loss": 1.')
    run(tmp_path, "llama", max_steps=3)
    assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2, 3]


def test_the_newest_and_the_best_checkpoint_stay(tmp_path, monkeypatch):
    """Evaluations get better, then worse; the run is broken off and goes on."""
    evaluate_as(monkeypatch, {1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5, 5: 2.0}.get)
    write_rows(tmp_path / "validation.jsonl", 2)
    options = {
        "evaluate_every_steps": 1,
        "save_every_steps": 1,
        "keep_checkpoints": 1,
        "validation_file": tmp_path / "validation.jsonl",
        "lr_scheduler_type": "constant",
    }
    run(tmp_path, "llama", max_steps=3, **options)
    run(tmp_path, "llama", max_steps=5, **options)
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["checkpoint-2", "checkpoint-5"]
    facts = read_json(checkpoint(tmp_path, 5) / "complete.json")
    assert facts["best_step"] == 2
    assert facts["best"] == {
        "metric": "loss",
        "value": 1.0,
        "evaluations_since": 3,
        "checkpoint_value": 1.0,
        "checkpoint_step": 2,
    }
    stated = read_json(tmp_path / "run" / "results.json")["checkpoints"]
    assert [(one["step"], one["is_best"]) for one in stated] == [(2, True), (5, False)]


def test_a_training_file_that_changed_is_not_gone_on_with(tmp_path):
    run(tmp_path, "llama", max_steps=2)
    write_rows(tmp_path / "train.jsonl", 5)
    with pytest.raises(ConfigError, match="has changed since the run"):
        run(tmp_path, "llama", max_steps=4)
