"""Hugging Face's trainer_state.json: the whole history in one document."""

import json
import math

import pytest

from glmcore.core.errors import DataError
from glmcore.curves.logs.trainer_state import TrainerStateFacts, parse_trainer_state

STATE = {
    "global_step": 30,
    "max_steps": 100,
    "log_history": [
        {"loss": 2.5, "learning_rate": 1e-4, "grad_norm": math.nan, "epoch": 0.1, "step": 10},
        {"eval_loss": 0.4, "epoch": 0.2, "step": 20},
        "no row",
        {"loss": 1.5, "epoch": 0.3, "step": 30},
    ],
}


def test_the_history_is_read_with_its_steps():
    block, facts = parse_trainer_state(json.dumps(STATE).encode())
    assert block.steps.tolist() == [10, 20, 30]
    assert block.metrics["loss"][0].tolist() == [0, 2]
    assert block.metrics["loss"][1].tolist() == [2.5, 1.5]
    assert math.isnan(block.metrics["grad_norm"][1][0])
    assert facts == TrainerStateFacts(global_step=30, max_steps=100)


def test_facts_that_are_not_there_are_none():
    block, facts = parse_trainer_state(
        b'\xef\xbb\xbf{"log_history": [], "max_steps": null, "global_step": "x"}'
    )
    assert len(block.steps) == 0
    assert facts == TrainerStateFacts()


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff", b'{"log_history": [{"loss": 1'])
def test_half_a_document_is_said_to_be_one(data):
    with pytest.raises(DataError, match="may be half-written"):
        parse_trainer_state(data)


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"log_history": {}}', b"1"])
def test_another_document_is_said_to_be_one(data):
    with pytest.raises(DataError, match="no list `log_history`"):
        parse_trainer_state(data)
