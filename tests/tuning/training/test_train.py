"""Runs of every method, broken off and resumed: as if nothing had happened."""

from itertools import product

import pytest

from tests.tuning.cases import slow_but
from tests.tuning.running import (
    BASES,
    METHODS,
    assert_same_tensors,
    checkpoint,
    killed_after,
    learnt_weights,
    numbers_by_step,
    read_json,
    run,
    write_rows,
)

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 5
FULL_WORK = {
    "max_steps": STEPS,
    "warmup_steps": 1,
    "lr_scheduler_type": "cosine",
    "evaluate_every_steps": 3,
    "predict_with_generate": "true",
    "max_new_tokens": 3,
}
QUICK = [("chatglm", "prefix"), ("llama", "lora"), ("glm", "full")]


@pytest.mark.parametrize("base, method", slow_but(QUICK, product(BASES, METHODS)))
def test_a_run_that_breaks_off_goes_on_as_if_it_had_not(base, method, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        write_rows(folder / "train.jsonl", 12)
        write_rows(folder / "validation.jsonl", 3, start=12)
    options = {
        folder: FULL_WORK | {"validation_file": folder / "validation.jsonl"} for folder in (whole, broken)
    }
    run(whole, base, method, **options[whole])
    with killed_after(monkeypatch, 7):  # in step 4, after the checkpoint of step 2 and step 3's evaluation
        run(broken, base, method, **options[broken])
    said = []
    assert run(broken, base, method, said, **options[broken]).state == "finished"

    assert [note.values for note in said if "Going on" in note.template] == [{"step": 2}]
    expected, found = numbers_by_step(whole), numbers_by_step(broken)
    assert found == expected
    assert all(any(name == "loss" for name, _ in expected[step]) for step in range(1, STEPS + 1))
    assert len({value for step in expected.values() for name, value in step if name == "loss"}) == STEPS
    assert_same_tensors(learnt_weights(checkpoint(broken, STEPS)), learnt_weights(checkpoint(whole, STEPS)))
    assert read_json(checkpoint(broken, STEPS) / "complete.json")["step"] == STEPS
