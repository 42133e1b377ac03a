"""Answers the test rows of a job with a checkpoint or the base model, and scores the answers.

Every row is written as soon as it is answered; what a killed process left is gone on from.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import PartialState

from glmcore.core.errors import ConfigError, NotFoundError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.core.settings import Settings
from glmcore.models.adapters.folders import is_adapter
from glmcore.models.loaded import LoadedModel
from glmcore.models.loading import load_model
from glmcore.models.progress import Progress
from glmcore.tuning.checkpoints import list_checkpoints
from glmcore.tuning.data.prepared import prepare_test
from glmcore.tuning.job_config import JobConfig, JobFile
from glmcore.tuning.resume import output_folder
from glmcore.tuning.run_folder import LineFile, RunFolder, write_whole
from glmcore.tuning.scores import RowScores, ScoreTotals, perplexity, score_pair
from glmcore.tuning.training.base import example_builder, load_base, state_of
from glmcore.tuning.training.batches import Padding, Rows
from glmcore.tuning.training.generation import AnswerSettings, answer_settings, generate_answers, text_of
from glmcore.tuning.training.losses import answer_losses
from glmcore.tuning.training.precision import base_dtype, choose_precision
from glmcore.tuning.training.results import provenance

if TYPE_CHECKING:
    from datasets import Dataset

ANSWERING = mark("Answering the test rows")
GONE_ON = mark("{count} of {all} rows were answered before; going on after them.")
BASE, BEST, LAST = "base", "best", "last"
ROWS_FILE, RESULTS_FILE, ORIGINAL_FILE = "predictions.jsonl", "results.json", "generated_predictions.txt"


@dataclass(frozen=True, slots=True)
class Predictions:
    """Where the answers are, and how good."""

    folder: Path
    results: dict[str, Any]


def predict(
    job_file: JobFile,
    checkpoint: str,
    settings: Settings,
    progress: Progress,
    say: Callable[[Note], None],
    output: Path | None = None,
) -> Predictions:
    """Answer and score the test rows.

    Args:
        checkpoint: "best", "last" or a name such as "checkpoint-3000" of the job's run, "base", or a folder.
        output: where to make a folder named after the checkpoint; by default in that of the run.

    Raises:
        NotFoundError: there is no such checkpoint.
        GlmcoreError: the model, the checkpoint or the data is of no use.
    """
    job = job_file.config
    run = output_folder(job, job_file.path, settings)
    found = find_checkpoint(checkpoint, run)
    state = state_of(job)
    loaded = _load(job, found, state, settings, progress)
    rows, report = prepare_test(
        job.data, example_builder(job, loaded), loaded.template_hash, run.prepared, progress
    )
    answers = answer_settings(loaded, job)
    made_by = {
        "checkpoint": str(found) if found else loaded.name,
        "answers": answers.description,
        "max_new_tokens": answers.max_new_tokens,
        **provenance(job, (report,), loaded.device),
    }
    name = f"{found.name if found else BASE}-{_key(made_by, found)}"
    folder = (output or run.predictions) / name
    work = _Work(loaded, answers, job.evaluation.per_device_eval_batch_size, rows, folder, progress)
    results = made_by | work.run(say)
    write_whole(folder / RESULTS_FILE, results)
    return Predictions(folder, results)


def find_checkpoint(name: str, run: RunFolder) -> Path | None:
    """The folder of a checkpoint; None for the base model."""
    if name == BASE:
        return None
    whole = list_checkpoints(run)
    if name == LAST and whole:
        return whole[-1].path
    if name == BEST and whole:
        return next((one.path for one in whole if one.is_best), whole[-1].path)
    named = next((one.path for one in whole if one.path.name == name), None)
    if named is None and Path(name).is_dir():
        return Path(name)
    if named is None:
        raise NotFoundError(
            "There is no checkpoint {name!r}; choose base, a folder, or one of {folder}: {known}.",
            name=name,
            folder=run.checkpoints,
            known=", ".join(one.path.name for one in whole) or "–",
        )
    return named


def _load(
    job: JobConfig, checkpoint: Path | None, state: PartialState, settings: Settings, progress: Progress
) -> LoadedModel:
    """The base model, with the checkpoint's adapter; a full checkpoint is a model itself."""
    dtype = base_dtype(job, choose_precision(job, state.device))
    if checkpoint is not None and (checkpoint / "config.json").is_file() and not is_adapter(checkpoint):
        return load_model(checkpoint, dtype=dtype, device=job.devices.device, settings=settings)
    loaded = load_base(job, dtype, state, settings, progress)
    return loaded if checkpoint is None else loaded.with_adapter(checkpoint, settings)


@dataclass(frozen=True, slots=True)
class _Work:
    loaded: LoadedModel
    answers: AnswerSettings
    batch_size: int
    examples: "Dataset"
    folder: Path
    progress: Progress

    def run(self, say: Callable[[Note], None]) -> dict[str, Any]:
        """Answer what is not answered yet; the results over all rows."""
        lines = LineFile(self.folder / ROWS_FILE)
        totals, loss, num_tokens = ScoreTotals(), 0.0, 0
        for row in read_predictions(self.folder):
            scores = RowScores.from_dict(row["scores"])
            totals.add(scores, row["predict"], row["labels"])
            loss, num_tokens = loss + row["loss"] * row["num_tokens"], num_tokens + row["num_tokens"]
        done = totals.num_rows
        if done > len(self.examples):
            raise ConfigError(
                "{path} holds {found} answers, but the test data has {expected} rows; name another folder.",
                path=self.folder,
                found=done,
                expected=len(self.examples),
            )
        if done:
            say(Note(GONE_ON, {"count": done, "all": len(self.examples)}))
        for row in self._answer_from(done):
            scores = score_pair(row["predict"], row["labels"])
            lines.append({**row, "scores": scores.to_dict()})
            totals.add(scores, row["predict"], row["labels"])
            loss, num_tokens = loss + row["loss"] * row["num_tokens"], num_tokens + row["num_tokens"]
            self.progress(ANSWERING, totals.num_rows / len(self.examples))
        lines.close()
        self._write_original_form()
        mean_loss = loss / num_tokens if num_tokens else math.nan
        return {**totals.to_dict(), "loss": mean_loss, "perplexity": perplexity(mean_loss)}

    def _answer_from(self, start: int) -> Iterator[dict[str, Any]]:
        rows, padding = Rows(self.examples, with_prompts=True), Padding(self.answers.pad_id)
        for begin in range(start, len(rows), self.batch_size):
            numbers = range(begin, min(begin + self.batch_size, len(rows)))
            batch = padding([rows[number] for number in numbers])
            sums, counts = answer_losses(self.loaded.model, batch)
            ids = generate_answers(self.loaded.model, batch["prompt_ids"], batch["prompt_mask"], self.answers)
            for number, answer, total, count in zip(
                numbers, ids.tolist(), sums.tolist(), counts.tolist(), strict=True
            ):
                example = self.examples[number]
                yield {
                    "row": example["number"],
                    "prompt": example["prompt"],
                    "labels": example["answer"],
                    "predict": text_of(self.loaded, answer),
                    "loss": total / count,
                    "num_tokens": count,
                }

    def _write_original_form(self) -> None:
        """`generated_predictions.txt` as the scripts of 2023 wrote it."""
        with (self.folder / ORIGINAL_FILE).open("w", encoding="utf-8") as file:
            for row in read_predictions(self.folder):
                kept = {"labels": row["labels"], "predict": row["predict"]}
                file.write(json.dumps(kept, ensure_ascii=False) + "\n")


def read_predictions(folder: Path) -> Iterator[dict[str, Any]]:
    """The answered rows, one by one; a half last line is none."""
    with (folder / ROWS_FILE).open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _key(made_by: dict[str, Any], checkpoint: Path | None) -> str:
    """What tells answers made in one way from those made in another."""
    marker = checkpoint / "complete.json" if checkpoint else None
    when = marker.read_text(encoding="utf-8") if marker and marker.is_file() else ""
    told = [made_by["checkpoint"], made_by["answers"], made_by["max_new_tokens"], made_by["data"], when]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]
