"""What ends a run early, and what asks it for a checkpoint, while it trains."""

import json
import math
import os
import signal
from itertools import product

import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from glmcore.core.errors import JobError
from glmcore.tuning.run_folder import RunFolder
from glmcore.tuning.training.requests import LossWatch, Requests
from tests.tuning.cases import slow_but
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

LONG = {"max_steps": 6, "save_every_steps": 100, "lr_scheduler_type": "constant"}


@pytest.fixture
def at_step(monkeypatch):
    """Something is done in the middle of a step of the next runs, once."""
    from glmcore.tuning.training.trainer import TuningTrainer

    def at(step, action):
        original = TuningTrainer.training_step
        done = []

        def training_step(self, *args, **options):
            if self.state.global_step == step - 1 and not done:
                done.append(step)
                action()
            return original(self, *args, **options)

        monkeypatch.setattr(TuningTrainer, "training_step", training_step)

    return at


def steps_of(folder):
    path = folder / "run" / "checkpoints"
    return sorted(int(one.name.partition("-")[2]) for one in path.iterdir())


def ask_to_stop(folder, text):
    return lambda: (folder / "run" / "stop_request.json").write_text(text)


STOPS = ['{"save": true}', "{}", "", "half {", "[]", '{"save": 1}']


@pytest.mark.parametrize("text", slow_but(STOPS[:1], STOPS))
def test_a_stop_that_saves_is_gone_on_from(text, at_step, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir(), stopped.mkdir()
    run(whole, "llama", **LONG)
    at_step(3, ask_to_stop(stopped, text))
    outcome = run(stopped, "llama", **LONG)
    assert (outcome.state, outcome.step) == ("stopped", 3)
    assert steps_of(stopped) == [3]
    assert not (stopped / "run" / "stop_request.json").exists()
    status = read_json(stopped / "run" / "status.json")
    assert (status["state"], status["step"]) == ("stopped", 3)
    assert read_json(stopped / "run" / "results.json")["state"] == "stopped"
    assert run(stopped, "llama", **LONG).state == "finished"
    assert numbers_by_step(stopped, "loss") == numbers_by_step(whole, "loss")
    assert_same_tensors(learnt_weights(checkpoint(stopped, 6)), learnt_weights(checkpoint(whole, 6)))


def test_a_stop_that_does_not_save_leaves_the_checkpoints_as_they_were(at_step, tmp_path):
    at_step(3, ask_to_stop(tmp_path, '{"save": false}'))
    outcome = run(tmp_path, "llama", **LONG | {"save_every_steps": 1})
    assert (outcome.state, outcome.step) == ("stopped", 3)
    assert steps_of(tmp_path) == [1, 2]


def test_a_stop_at_the_last_step_has_nothing_left_to_do(at_step, tmp_path):
    at_step(6, ask_to_stop(tmp_path, '{"save": true}'))
    run(tmp_path, "llama", **LONG)
    weights = learnt_weights(checkpoint(tmp_path, 6))
    outcome = run(tmp_path, "llama", **LONG)
    assert (outcome.state, outcome.step) == ("finished", 6)
    assert_same_tensors(learnt_weights(checkpoint(tmp_path, 6)), weights)


def test_a_checkpoint_on_request_is_one_more_and_the_run_goes_on(at_step, tmp_path):
    at_step(2, lambda: (tmp_path / "run" / "save_request").write_text(""))
    outcome = run(tmp_path, "llama", **LONG)
    assert (outcome.state, outcome.step) == ("finished", 6)
    assert steps_of(tmp_path) == [2, 6]
    assert not (tmp_path / "run" / "save_request").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_and_saves(number, at_step, tmp_path):
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    at_step(3, lambda: os.kill(os.getpid(), number))
    outcome = run(tmp_path, "llama", **LONG)
    assert (outcome.state, outcome.step) == ("stopped", 3)
    assert steps_of(tmp_path) == [3]
    assert {one: signal.getsignal(one) for one in before} == before


def test_a_second_interrupt_ends_at_once(at_step, tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(3, twice)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "llama", **LONG)
    assert read_json(tmp_path / "run" / "status.json")["state"] == "stopped"
    assert run(tmp_path, "llama", **LONG).state == "finished"


# --- a loss that is none


def spoil_loss(monkeypatch, at, value):
    """From a step on the loss is this."""
    from glmcore.tuning.training.trainer import TuningTrainer

    original = TuningTrainer.compute_loss

    def compute_loss(self, *args, **options):
        loss = original(self, *args, **options)
        return loss * value if self.state.global_step >= at - 1 else loss

    monkeypatch.setattr(TuningTrainer, "compute_loss", compute_loss)


@pytest.mark.parametrize(
    "every, value", slow_but([(1, math.nan), (5, math.inf)], product([1, 2, 5], [math.nan, math.inf]))
)
def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(value, every, monkeypatch, tmp_path):
    spoil_loss(monkeypatch, 3, value)
    said = {"save_every_steps": 1, "log_every_steps": every, "max_steps": 6}
    with pytest.raises(JobError, match=r"the loss is (nan|inf)"):
        run(tmp_path, "llama", **said)
    assert steps_of(tmp_path) == [1, 2]
    assert all(weight.isfinite().all() for weight in learnt_weights(checkpoint(tmp_path, 2)).values())
    status = read_json(tmp_path / "run" / "status.json")
    assert status["state"] == "failed"
    assert "the loss is" in status["reason"]["template"]
    monkeypatch.undo()
    assert run(tmp_path, "llama", **said).state == "finished"


def test_a_gradient_that_is_no_number_ends_the_run_before_it_is_saved(monkeypatch, tmp_path):
    """Finite losses may have infinite gradients, which spoil every weight in one step."""
    from glmcore.tuning.training.trainer import TuningTrainer

    original = TuningTrainer.training_step

    def training_step(self, model, *args, **options):
        loss = original(self, model, *args, **options)
        if self.state.global_step == 2:
            for weight in model.parameters():
                if weight.grad is not None:
                    weight.grad.fill_(math.inf)
        return loss

    monkeypatch.setattr(TuningTrainer, "training_step", training_step)
    with pytest.raises(JobError):
        run(tmp_path, "llama", max_steps=6, save_every_steps=1)
    assert steps_of(tmp_path) == [1, 2]


def test_a_loss_of_zero_ends_the_run(monkeypatch, tmp_path):
    spoil_loss(monkeypatch, 1, 0.0)
    with pytest.raises(JobError, match="exactly 0 for 3 points"):
        run(tmp_path, "llama", max_steps=9, save_every_steps=5)
    assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2, 3]
    assert steps_of(tmp_path) == []


def test_a_loss_that_is_zero_now_and_then_is_none_to_stop_at(tmp_path):
    watch, control, state = LossWatch(), TrainerControl(), TrainerState()
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    for loss in (0.0, 0.0, 0.1, 0.0, 0.0, 1e-9):
        watch.on_log(args, state, control, logs={"loss": loss})
    watch.on_log(args, state, control, logs={"eval_loss": math.nan})
    watch.on_log(args, state, control)
    assert watch.fault is None
    assert not control.should_training_stop


def test_a_request_outside_the_main_thread_leaves_signals_alone(tmp_path):
    import threading

    found = []

    def listen():
        with Requests(RunFolder(tmp_path)).listening():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


# --- a plateau


@pytest.fixture
def evaluating(tmp_path):
    write_rows(tmp_path / "validation.jsonl", 2)
    return LONG | {"evaluate_every_steps": 1, "validation_file": tmp_path / "validation.jsonl"}


def test_a_plateau_ends_the_run_where_it_is_asked_for(evaluating, monkeypatch, tmp_path):
    evaluate_as(monkeypatch, {1: 3.0, 2: 2.0, 3: 2.0, 4: 2.5, 5: 1.0, 6: 1.0}.get)
    said = []
    outcome = run(tmp_path, "llama", said=said, plateau_evaluations=2, **evaluating | {"save_every_steps": 2})
    assert (outcome.state, outcome.step) == ("finished", 4)
    assert {"count": 2} in [note.values for note in said]
    assert steps_of(tmp_path) == [2, 4]

    other = tmp_path / "other"
    other.mkdir()
    assert run(other, "llama", **evaluating).step == 6


def test_what_was_learnt_up_to_a_plateau_is_saved(evaluating, monkeypatch, tmp_path):
    evaluate_as(monkeypatch, lambda step: 1.0)
    assert run(tmp_path, "llama", plateau_evaluations=2, **evaluating).step == 3
    assert steps_of(tmp_path) == [3]


def test_status_and_metrics_follow_a_run(tmp_path):
    run(tmp_path, "llama", max_steps=3)
    status = read_json(tmp_path / "run" / "status.json")
    assert (status["state"], status["step"], status["total"]) == ("finished", 3, 3)
    assert status["pid"] == os.getpid()
    assert status["eta_seconds"] == 0
    assert status["reason"] is None
    found = [point for point in points(tmp_path) if "loss" in point]
    assert [point["step"] for point in found] == [1, 2, 3]
    assert all(point["tokens_per_second"] > 0 for point in found)
    seen = [point["tokens_seen"] for point in found]
    assert seen == sorted(seen)
    assert seen[0] > 0
    assert all(json.dumps(point) and point["time"] > 0 for point in found)
    assert torch.get_num_threads() == 1
