"""What a run says at its end."""

import json

import pytest

from glmcore.tuning.checkpoints import mark_whole
from glmcore.tuning.ending import ending_lines, losses
from glmcore.tuning.job_config import JobConfig, ModelConfig, TuningConfig
from glmcore.tuning.run_folder import RunFolder, write_whole

POINTS = [
    {"step": 5, "loss": 3.0},
    {"step": 5, "eval_loss": 2.0},
    {"step": 10, "loss": 1.5},
    {"step": 10, "eval_loss": 1.25},
    {"step": 15, "loss": 1.0},
    {"step": 15, "eval_loss": float("nan")},
    {"step": 15, "train_loss": 1.8},
]


@pytest.fixture
def folder(tmp_path):
    """A run with checkpoints at 10 (the best) and 15."""
    run = RunFolder(tmp_path / "my run")
    for step in (10, 15):
        path = run.checkpoints / f"checkpoint-{step}"
        path.mkdir(parents=True)
        mark_whole(path, {"best_step": 10})
    run.metrics.write_text("".join(json.dumps(point) + "\n" for point in POINTS))
    write_whole(run.status, {"step": 15})
    return run


def ending(folder, method="lora", state="finished"):
    job = JobConfig(model=ModelConfig(base_model="tiny"), tuning=TuningConfig(method=method))
    return list(ending_lines(state, folder, job, "en"))


def test_losses_are_the_last_and_the_best_of_an_evaluation(folder):
    assert losses(folder.metrics) == (1.0, 1.25, 10)


def test_run_that_was_never_evaluated_has_no_best_loss(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps(POINTS[0]) + "\n")
    assert losses(tmp_path / "metrics.jsonl") == (3.0, None, 0)


def test_finished_run_says_how_to_use_its_best_checkpoint(folder):
    first, last, best, talk, score = ending(folder)
    assert first == f"Finished at step 15 in {folder.path}."
    assert last == "Loss at the end: 1.0000."
    assert best == "Best loss of an evaluation: 1.2500, at step 10."
    chosen = folder.checkpoints / "checkpoint-10"
    assert talk == f"Talk to it: python -m glmcore chat --model tiny --adapter '{chosen}'"
    assert score.endswith(f"predict '{folder.job_file}' 'test_file=…'")


def test_checkpoint_of_all_weights_is_talked_to_as_a_model(folder):
    assert ending(folder, "full")[3].endswith(f"chat --model '{folder.checkpoints / 'checkpoint-10'}'")


def test_stopped_run_without_a_checkpoint_offers_nothing_to_use(tmp_path):
    run = RunFolder(tmp_path)
    run.metrics.touch()
    write_whole(run.status, {"step": 3})
    assert ending(run, state="stopped") == [
        f"Stopped at step 3 in {tmp_path}; the same command goes on from the last checkpoint."
    ]
