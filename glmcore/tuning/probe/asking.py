"""Asks a model the questions of the probe: the loss of the usual answers, and its own answers."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from glmcore.core.messages import Message
from glmcore.models.loaded import LoadedModel
from glmcore.tuning.probe.questions import Question, load_questions
from glmcore.tuning.run_folder import LineFile, RunFolder
from glmcore.tuning.training.batches import IGNORED, Padding, pad_prompts
from glmcore.tuning.training.generation import AnswerSettings, generate_answers, pad_id_of, text_of
from glmcore.tuning.training.losses import answer_losses

BATCH = 8
ANSWER_TOKENS = 32  # enough to see whether the question was understood


class ForgettingProbe(TrainerCallback):
    """Asks before the first step and at every checkpoint, and appends to `probe.jsonl`."""

    def __init__(self, loaded: LoadedModel, folder: RunFolder) -> None:
        self._loaded, self._folder = loaded, folder

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **options: Any
    ) -> None:
        if state.global_step == 0:
            self._ask(options["model"], state)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **options: Any
    ) -> None:
        self._ask(options["model"], state)

    def _ask(self, model: Any, state: TrainerState) -> None:
        if not state.is_world_process_zero:
            return
        lines = LineFile(self._folder.probe)
        lines.append({"step": state.global_step, "time": time.time(), **ask(self._loaded, model)})
        lines.close()


def ask(loaded: LoadedModel, model: Any) -> dict[str, Any]:
    """Mean losses by language, and each question with its loss and the answer."""
    was_training = model.training
    model.eval()
    rows, losses = [], defaultdict(list)
    for batch in _batches(load_questions()):
        found = zip(batch, _losses(loaded, model, batch), _answers(loaded, model, batch), strict=True)
        for question, loss, answer in found:
            rows.append({"id": question.id, "loss": round(loss, 4), "answer": answer})
            losses[question.language].append(loss)
    model.train(was_training)
    means = {f"probe_loss_{language}": sum(found) / len(found) for language, found in losses.items()}
    return {"probe_loss": sum(means.values()) / len(means), **means, "questions": rows}


def _losses(loaded: LoadedModel, model: Any, batch: Sequence[Question]) -> list[float]:
    """The mean loss of the tokens of each usual answer."""
    form = loaded.family.prompt_form
    conversations = [
        (Message("user", question.prompt), Message("assistant", question.answer)) for question in batch
    ]
    rows = []
    for made in form.answered(loaded.tokenizer, conversations, loaded.eos_token_ids):
        start, stop = made.learnt[-1]
        labels = [IGNORED] * start + made.ids[start:stop]
        rows.append({"input_ids": made.ids[:stop], "labels": labels})
    sums_B, counts_B = answer_losses(model, Padding(pad_id_of(loaded))(rows))
    return (sums_B / counts_B).tolist()


def _answers(loaded: LoadedModel, model: Any, batch: Sequence[Question]) -> list[str]:
    prompts = [loaded.prompt_ids([Message("user", question.prompt)]) for question in batch]
    settings = AnswerSettings(
        max_new_tokens=ANSWER_TOKENS, ends=loaded.eos_token_ids, pad_id=pad_id_of(loaded)
    )
    ids, mask = pad_prompts(prompts, settings.pad_id)
    return [text_of(loaded, row) for row in generate_answers(model, ids, mask, settings).tolist()]


def _batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    for start in range(0, len(questions), BATCH):
        yield questions[start : start + BATCH]
