"""Answers the test rows of a job with a checkpoint or the base model, and scores the answers.

Every row is written as soon as it is answered; what a killed process left is gone on from.
"""

import errno
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState

from glmcore.core.errors import NotEnoughMemoryError, NotFoundError, StorageError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.core.settings import Settings
from glmcore.models.adapters.folders import is_adapter
from glmcore.models.loaded import LoadedModel
from glmcore.models.loading import load_model
from glmcore.models.places.holders import hold, naming_holders
from glmcore.models.progress import Progress
from glmcore.tuning.answer_watch import AnswerWatch
from glmcore.tuning.checkpoints import list_checkpoints
from glmcore.tuning.data.prepared import SETTINGS, prepare_test
from glmcore.tuning.job_config import JobConfig, JobFile
from glmcore.tuning.resume import held, output_folder
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
    """Where the answers are, and how good; where it was stopped, those so far."""

    folder: Path
    results: dict[str, Any]


def predict(
    job_file: JobFile,
    checkpoint: str,
    settings: Settings,
    progress: Progress,
    say: Callable[[Note], None],
    output: Path | None = None,
    watch: AnswerWatch | None = None,
) -> Predictions:
    """Answer and score the test rows.

    Args:
        checkpoint: "best", "last" or a name such as "checkpoint-3000" of the job's run, "base", or a folder.
        output: where to make a folder named after the checkpoint; by default in that of the run.
        watch: told how far it is, and asked whether to go on.

    Raises:
        NotFoundError: there is no such checkpoint.
        GlmcoreError: the model, the checkpoint or the data is of no use, memory or disk is full.
    """
    run = output_folder(job_file.config, job_file.path, settings)
    work = _Work(job_file.config, run, output or run.predictions, watch or AnswerWatch(), progress, say)
    try:
        return work.run(find_checkpoint(checkpoint, run), settings)
    except NotEnoughMemoryError as error:  # of the load
        raise naming_holders(error, settings.home, job_file.config.devices.device) from error
    except (MemoryError, torch.OutOfMemoryError) as fault:
        told = NotEnoughMemoryError(
            "Memory ran out while answering; lower per_device_eval_batch_size, max_new_tokens or num_beams. "
            "The rows answered so far are kept."
        )
        raise naming_holders(told, settings.home, job_file.config.devices.device) from fault
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageError(
            "The disk of {folder} is full; free some space and give the same command again: it goes on after "
            "the rows answered so far.",
            folder=output or run.predictions,
        ) from fault


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
    job: JobConfig
    run_folder: RunFolder
    output: Path
    watch: AnswerWatch
    progress: Progress
    say: Callable[[Note], None]

    def run(self, checkpoint: Path | None, settings: Settings) -> Predictions:
        job, state = self.job, state_of(self.job)
        loaded = _load(job, checkpoint, state, settings, self.progress)
        builder = example_builder(job, loaded)
        rows, report = prepare_test(
            job.data, builder, loaded.template_hash, self.run_folder.prepared, self.progress
        )
        answers = answer_settings(loaded, job)
        made_by = {
            "checkpoint": str(checkpoint) if checkpoint else loaded.name,
            "answers": answers.description,
            "max_new_tokens": answers.max_new_tokens,
            **provenance(job, (report,), loaded.device),
        }
        key = _key(made_by, job, checkpoint, len(rows))
        folder = self.output / f"{checkpoint.name if checkpoint else BASE}-{key}"
        holding = hold(settings.home, name=self.run_folder.path.name, what="job", held=loaded.held_bytes)
        with held(RunFolder(folder)), holding:
            results = made_by | self._answer(loaded, answers, rows, folder)
            if results["num_rows"] == len(rows):
                write_whole(folder / RESULTS_FILE, results)
        return Predictions(folder, results)

    def _answer(
        self, loaded: LoadedModel, answers: AnswerSettings, examples: "Dataset", folder: Path
    ) -> dict[str, Any]:
        """Answer what is not answered yet; the results over the rows that are, all unless it is stopped."""
        lines = LineFile(folder / ROWS_FILE)
        totals, loss, num_tokens = ScoreTotals(), 0.0, 0
        for row in read_predictions(folder):
            scores = RowScores.from_dict(row["scores"])
            totals.add(scores, row["predict"], row["labels"])
            loss, num_tokens = loss + row["loss"] * row["num_tokens"], num_tokens + row["num_tokens"]
        done, all_rows = totals.num_rows, len(examples)
        if done:
            self.say(Note(GONE_ON, {"count": done, "all": all_rows}))
        self.watch.begin(done, all_rows)
        for batch in _answer_from(done, loaded, answers, examples, self.job):
            for row in batch:
                scores = score_pair(row["predict"], row["labels"])
                lines.append({**row, "scores": scores.to_dict()})
                totals.add(scores, row["predict"], row["labels"])
                loss, num_tokens = loss + row["loss"] * row["num_tokens"], num_tokens + row["num_tokens"]
            self.watch.add(len(batch))
            self.progress(ANSWERING, totals.num_rows / all_rows)
            if self.watch.is_asked_to_stop:
                break
        lines.close()
        _write_original_form(folder)
        mean_loss = loss / num_tokens if num_tokens else math.nan
        return {**totals.to_dict(), "loss": mean_loss, "perplexity": perplexity(mean_loss)}


def _answer_from(
    start: int, loaded: LoadedModel, answers: AnswerSettings, examples: "Dataset", job: JobConfig
) -> Iterator[list[dict[str, Any]]]:
    """Batches of answered rows."""
    rows, padding = Rows(examples, with_prompts=True), Padding(answers.pad_id)
    batch_size = job.evaluation.per_device_eval_batch_size
    for begin in range(start, len(rows), batch_size):
        numbers = range(begin, min(begin + batch_size, len(rows)))
        batch = padding([rows[number] for number in numbers])
        sums, counts = answer_losses(loaded.model, batch)
        ids = generate_answers(loaded.model, batch["prompt_ids"], batch["prompt_mask"], answers)
        found = zip(numbers, ids.tolist(), sums.tolist(), counts.tolist(), strict=True)
        yield [
            {
                "row": examples[number]["number"],
                "prompt": examples[number]["prompt"],
                "labels": examples[number]["answer"],
                "predict": text_of(loaded, answer),
                "loss": total / count,
                "num_tokens": count,
            }
            for number, answer, total, count in found
        ]


def _write_original_form(folder: Path) -> None:
    """`generated_predictions.txt` as the scripts of 2023 wrote it."""
    with (folder / ORIGINAL_FILE).open("w", encoding="utf-8") as file:
        for row in read_predictions(folder):
            kept = {"labels": row["labels"], "predict": row["predict"]}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")


def read_predictions(folder: Path) -> Iterator[dict[str, Any]]:
    """The answered rows, one by one; a half last line is none."""
    with (folder / ROWS_FILE).open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _key(made_by: dict[str, Any], job: JobConfig, checkpoint: Path | None, num_rows: int) -> str:
    """What tells answers made in one way from those made in another, or to other rows."""
    marker = checkpoint / "complete.json" if checkpoint else None
    when = marker.read_text(encoding="utf-8") if marker and marker.is_file() else ""
    told = [made_by[name] for name in ("checkpoint", "answers", "max_new_tokens", "data")]
    told += [when, num_rows, job.model.quantization_bits, job.training.precision]
    told += [getattr(job.data, name) for name in SETTINGS]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]
