"""Evaluation while training: the loss of the answers, and answers as each prompt alone would get them."""

import math
from itertools import product

import pytest
import torch

from glmcore.tuning.scores import ScoreTotals, score_pair
from glmcore.tuning.training.batches import Padding, Rows
from glmcore.tuning.training.generation import cut_at_end, text_of
from glmcore.tuning.training.losses import answer_losses
from glmcore.tuning.training.trainer import Best, TuningTrainer
from tests.tuning.cases import slow_but
from tests.tuning.running import BASES, METHODS, points, run, watched_tuning, write_rows

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = [("chatglm", "prefix"), ("glm", "full"), ("llama", "lora")]
EVALUATION = {
    "max_steps": 2,
    "evaluate_every_steps": 2,
    "predict_with_generate": "true",
    "max_new_tokens": 6,
    "per_device_eval_batch_size": 3,
}


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A run with one evaluation: trainer, tuned model, the ids and row numbers it scored, its metrics."""

    def evaluate(base, method, **values):
        write_rows(tmp_path / "validation.jsonl", 5, start=20)
        scored, trainers = [], []
        init = TuningTrainer.__init__

        def spying(self, *args, **options):
            score = options["score"]
            trainers.append(self)

            def kept(answers, rows):
                scored.extend(zip(rows, answers, strict=True))
                return score(answers, rows)

            init(self, *args, **options | {"score": kept if score else None})

        monkeypatch.setattr(TuningTrainer, "__init__", spying)
        with watched_tuning(monkeypatch) as seen:
            run(
                tmp_path,
                base,
                method,
                **EVALUATION | {"validation_file": tmp_path / "validation.jsonl"} | values,
            )
        metrics = next(point for point in points(tmp_path) if "eval_loss" in point)
        return trainers[0], seen[0], scored, metrics

    return evaluate


def alone(tuned, settings, ids):
    """The greedy answer to a prompt that nothing is padded to."""
    prompt = torch.tensor([ids])
    made = tuned.model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=settings.max_new_tokens,
        num_beams=settings.num_beams,
        do_sample=False,
        eos_token_id=list(settings.ends),
        pad_token_id=settings.pad_id,
    )
    return made[0, len(ids) :].tolist()


@pytest.mark.parametrize("base, method", slow_but(QUICK, product(BASES, METHODS)))
def test_answers_and_loss_are_those_of_every_row_alone(base, method, evaluated):
    trainer, tuned, scored, metrics = evaluated(base, method)
    tuned.model.eval()
    rows = Rows(trainer.eval_dataset.examples, with_prompts=True)
    assert sorted(row for row, _ in scored) == list(range(5))
    assert len({len(rows[number]["prompt_ids"]) for number in range(5)}) > 2  # padding is at work
    totals = ScoreTotals()
    for number, ids in sorted(scored):
        expected = alone(tuned, trainer.answers, rows[number]["prompt_ids"])
        ends = tuned.loaded.eos_token_ids
        assert cut_at_end(ids, ends) == cut_at_end(expected, ends)
        answer, label = text_of(tuned.loaded, expected), rows.examples[number]["answer"]
        totals.add(score_pair(answer, label), answer, label)

    found = [row_loss(tuned, rows[number]) for number in range(5)]
    mean = sum(total for total, _ in found) / sum(count for _, count in found)
    assert metrics["eval_loss"] == pytest.approx(mean, rel=1e-4)  # whatever the batches
    assert metrics["eval_perplexity"] == pytest.approx(math.exp(metrics["eval_loss"]))
    for name, value in totals.to_dict().items():
        if not isinstance(value, str):
            assert metrics[f"eval_{name}"] == pytest.approx(value, abs=1e-6), name


def row_loss(tuned, row):
    """Sum and count of a row's learnt tokens, read without padding."""
    plain = {name: row[name] for name in ("input_ids", "labels")}
    sums, counts = answer_losses(tuned.model, Padding(0)([plain]))
    return float(sums), int(counts)


@pytest.mark.parametrize(
    "base, method",
    slow_but([("chatglm", "prefix")], [("chatglm", "prefix"), ("glm", "prefix"), ("llama", "lora")]),
)
def test_beams_answer_as_every_row_alone(base, method, evaluated):
    trainer, tuned, scored, _ = evaluated(base, method, num_beams=3)
    tuned.model.eval()
    rows, ends = Rows(trainer.eval_dataset.examples, with_prompts=True), tuned.loaded.eos_token_ids
    for number, ids in scored:
        expected = alone(tuned, trainer.answers, rows[number]["prompt_ids"])
        assert cut_at_end(ids, ends) == cut_at_end(expected, ends)


def test_an_evaluation_has_the_keys_of_the_trainer_and_all_scores(evaluated):
    _, _, _, metrics = evaluated("llama", "lora")
    scores = {"bleu-4", "rouge-1", "rouge-2", "rouge-l", "bleu", "chrf"}
    usual = {"loss", "runtime", "samples_per_second", "steps_per_second", "perplexity"}
    assert {f"eval_{name}" for name in scores | usual} <= metrics.keys()
    assert {"step", "epoch", "time", "tokens_seen", "memory_bytes"} <= metrics.keys()
    assert metrics["step"] == 2


def test_without_generation_only_the_loss_is_evaluated(evaluated):
    trainer, _, scored, metrics = evaluated("llama", "lora", predict_with_generate="false")
    assert not scored
    assert "prompt_ids" not in trainer.eval_dataset[0]
    assert "eval_bleu-4" not in metrics
    assert math.isfinite(metrics["eval_loss"])


def test_answers_take_the_longest_that_a_job_says(evaluated):
    trainer, _, scored, _ = evaluated("llama", "lora", max_new_tokens=4)
    assert trainer.answers.max_new_tokens == 4
    assert all(len(ids) == 4 for _, ids in scored)
    assert trainer.answers.description == "greedy"


# --- the best


def test_the_best_is_the_lowest_loss():
    best = Best("loss").after_evaluation(2.0).after_checkpoint(2.0, 1)
    best = best.after_evaluation(3.0).after_checkpoint(3.0, 2)
    assert (best.value, best.evaluations_since, best.checkpoint_step) == (2.0, 1, 1)
    best = best.after_evaluation(math.nan).after_checkpoint(math.nan, 3)
    assert (best.value, best.evaluations_since, best.checkpoint_step) == (2.0, 2, 1)
    best = best.after_evaluation(1.5)  # without a checkpoint
    assert (best.value, best.evaluations_since, best.checkpoint_value) == (1.5, 0, 2.0)
    assert best.after_checkpoint(1.9, 5).checkpoint_step == 5


def test_the_best_is_the_highest_of_any_score():
    best = Best("rouge-l").after_evaluation(2.0).after_checkpoint(2.0, 1)
    best = best.after_evaluation(3.0).after_checkpoint(3.0, 2)
    assert (best.value, best.evaluations_since, best.checkpoint_step) == (3.0, 0, 2)
    assert best.after_checkpoint(3.0, 4).checkpoint_step == 2  # equal is no better


def test_a_first_value_that_is_none_is_not_the_best():
    best = Best("loss").after_evaluation(math.nan).after_checkpoint(math.nan, 1)
    assert (best.value, best.checkpoint_step) == (None, None)
