"""The forgetting probe in a run: asked before the first step and at every checkpoint, it changes nothing."""

import json

import pytest
import torch

from glmcore.core.messages import Message
from glmcore.core.settings import Settings
from glmcore.models import load_model
from glmcore.tuning.probe.asking import ANSWER_TOKENS, ask
from glmcore.tuning.probe.questions import load_questions
from glmcore.tuning.training.trainer import TuningTrainer
from tests.tuning.cases import slow_but
from tests.tuning.running import (
    BASES,
    assert_same_tensors,
    base_folder,
    checkpoint,
    learnt_weights,
    numbers_by_step,
    run,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def asked(folder):
    return [json.loads(line) for line in (folder / "run" / "probe.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "base, method",
    slow_but([("chatglm", "prefix")], [("chatglm", "prefix"), ("glm", "projected"), ("llama", "full")]),
)
def test_a_run_with_the_probe_learns_as_one_without(base, method, tmp_path):
    without, probed = tmp_path / "without", tmp_path / "probed"
    without.mkdir(), probed.mkdir()
    constant = {"lr_scheduler_type": "constant"}
    run(without, base, method, max_steps=4, **constant)
    run(probed, base, method, max_steps=2, forgetting_probe="true", **constant)
    run(probed, base, method, max_steps=4, forgetting_probe="true", **constant)
    assert numbers_by_step(probed, "loss") == numbers_by_step(without, "loss")
    assert_same_tensors(learnt_weights(checkpoint(probed, 4)), learnt_weights(checkpoint(without, 4)))
    lines = asked(probed)
    assert [line["step"] for line in lines] == [0, 2, 4]
    assert len({line["probe_loss"] for line in lines}) == 3
    for line in lines:
        assert [entry["id"] for entry in line["questions"]] == [one.id for one in load_questions()]
        assert line["probe_loss"] == pytest.approx((line["probe_loss_en"] + line["probe_loss_zh"]) / 2)


@pytest.mark.parametrize("base", slow_but(["chatglm", "glm"], BASES))
def test_loss_and_answer_of_a_question_are_those_of_the_question_alone(base, tmp_path):
    settings = Settings(home=tmp_path / "home", allow_hub=False)
    loaded = load_model(base_folder(base), dtype="float32", device="cpu", settings=settings)
    found = {entry["id"]: entry for entry in ask(loaded, loaded.model)["questions"]}
    assert not loaded.model.training
    for question in load_questions()[::9]:
        prompt = loaded.prompt_ids([Message("user", question.prompt)])
        conversation = [Message("user", question.prompt), Message("assistant", question.answer)]
        form = loaded.family.prompt_form
        (made,) = form.answered(loaded.tokenizer, [conversation], loaded.eos_token_ids)
        start, stop = made.learnt[-1]
        assert start == len(prompt)
        ids = torch.tensor([made.ids[:stop]])
        labels = ids.clone()
        labels[0, :start] = -100
        with torch.no_grad():
            loss = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
            answer = loaded.model.generate(
                input_ids=ids[:, :start],
                attention_mask=torch.ones_like(ids[:, :start]),
                max_new_tokens=ANSWER_TOKENS,
                do_sample=False,
                eos_token_id=list(loaded.eos_token_ids),
                pad_token_id=loaded.eos_token_ids[0],
            )[0, start:].tolist()
        end = next((place for place, one in enumerate(answer) if one in loaded.eos_token_ids), len(answer))
        assert found[question.id]["loss"] == pytest.approx(float(loss), abs=1e-3)
        assert found[question.id]["answer"] == loaded.clean_answer(loaded.decode(answer[:end]))


def test_the_questions_are_enough_in_both_languages():
    questions = load_questions()
    assert len(questions) >= 36
    assert len({one.id for one in questions}) == len(questions)
    assert {one.language for one in questions} == {"en", "zh"}
    assert {one.kind for one in questions} == {"question", "sentence"}
    assert all(one.prompt.strip() and one.answer.strip() for one in questions)


@pytest.mark.parametrize("is_sharded", [False, True])
def test_no_process_is_asked_alone_that_has_a_part_of_the_weights_only(is_sharded, tmp_path, monkeypatch):
    monkeypatch.setattr(TuningTrainer, "is_sharded", is_sharded)
    monkeypatch.setattr("glmcore.tuning.probe.asking.ask", lambda *_: {})
    run(tmp_path, "llama", max_steps=1, forgetting_probe="true")
    assert (tmp_path / "run" / "probe.jsonl").exists() is not is_sharded
