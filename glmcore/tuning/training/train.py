"""One training run, from a checked job to its last checkpoint and results. Runs in a process of its own.

Several processes that `accelerate launch` or `torchrun` started share the work: each comes here, the first
one prepares the data and writes the files.
"""

import errno
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import PartialState
from tensorboardX import SummaryWriter
from transformers import PrinterCallback, TrainerCallback, set_seed
from transformers.integrations import TensorBoardCallback

from glmcore.core.errors import GlmcoreError, JobError, NotEnoughMemoryError, StorageError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.core.settings import Settings
from glmcore.models.loaded import LoadedModel
from glmcore.models.places.holders import hold, naming_holders
from glmcore.models.progress import Progress
from glmcore.tuning.checkpoints import last_checkpoint, list_checkpoints
from glmcore.tuning.data.prepared import Prepared, prepare_training
from glmcore.tuning.job_config import JobConfig, JobFile
from glmcore.tuning.methods.choose import tune
from glmcore.tuning.methods.tuned import TunedModel
from glmcore.tuning.planning.disk import check_disk
from glmcore.tuning.planning.memory import MemoryEstimate, check_memory, estimate_memory, longest_row
from glmcore.tuning.planning.outline import Outline, read_outline
from glmcore.tuning.planning.steps import count_steps
from glmcore.tuning.probe.asking import ForgettingProbe
from glmcore.tuning.resume import begin, check_same_data, held, output_folder
from glmcore.tuning.run_folder import RunFolder, write_whole
from glmcore.tuning.scores import ScoreTotals, score_pair
from glmcore.tuning.status_file import StatusFile
from glmcore.tuning.training.arguments import training_arguments
from glmcore.tuning.training.base import example_builder, load_base, state_of
from glmcore.tuning.training.batches import Padding, Rows
from glmcore.tuning.training.generation import answer_settings, text_of
from glmcore.tuning.training.precision import base_dtype, choose_precision
from glmcore.tuning.training.requests import LossWatch, Requests
from glmcore.tuning.training.results import provenance, size_of
from glmcore.tuning.training.run_log import RunLog
from glmcore.tuning.training.trainer import TuningTrainer

RESUMED = mark("Going on from the checkpoint of step {step}.")
BROKE_OFF = mark("The run broke off, which is a fault of this program: {fault}.")
NO_PROBE = mark("The forgetting probe is left out: no process has all weights, so none can answer alone.")
PLATEAU = mark("Ended early: {count} evaluations without a better one.")
GPU_MULTIPLE = 8  # lengths that tensor cores like


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: "finished" or "stopped"; a run that cannot go on raises."""

    state: str
    folder: RunFolder
    step: int


def train(job_file: JobFile, settings: Settings, progress: Progress, say: Callable[[Note], None]) -> Outcome:
    """Train as the job says, from its last whole checkpoint where there is one.

    Args:
        say: takes what the run's user should know, as it becomes known.

    Raises:
        GlmcoreError: the run cannot begin or go on; also said in `status.json`.
    """
    job = job_file.config
    state = state_of(job)
    folder = output_folder(job, job_file.path, settings)
    with held(folder) if state.is_main_process else nullcontext():
        if state.is_main_process:
            begin(job, folder)
        state.wait_for_everyone()
        status = StatusFile(folder, is_writer=state.is_main_process)
        try:
            with ExitStack() as holding:
                return _Run(job, folder, settings, progress, say, state, status, holding).run()
        except KeyboardInterrupt:
            with suppress(OSError):
                status.update("stopped")
            raise
        except Exception as fault:
            told = explained(fault, folder)
            if isinstance(told, NotEnoughMemoryError):
                told = naming_holders(told, settings.home, str(state.device))
            with suppress(OSError):  # the disk may be what is full
                status.update("failed", reason=(told or JobError(BROKE_OFF, fault=repr(fault))).to_dict())
            if told is None or told is fault:
                raise
            raise told from fault


def explained(fault: Exception, folder: RunFolder) -> GlmcoreError | None:
    """A fault in one of our sentences, memory and disk that ran out among them; None for faults of ours."""
    if isinstance(fault, GlmcoreError):
        return fault
    if isinstance(fault, (MemoryError, torch.OutOfMemoryError)):
        return NotEnoughMemoryError(
            "Memory ran out while training; lower per_device_train_batch_size or max_input_length, or set "
            "gradient_checkpointing. The last checkpoint is kept."
        )
    if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "The disk of {folder} is full; free some space and start the run again: it goes on from its last "
            "whole checkpoint.",
            folder=folder.path,
        )
    return None


@dataclass(slots=True)
class _Run:
    job: JobConfig
    folder: RunFolder
    settings: Settings
    progress: Progress
    say: Callable[[Note], None]
    state: PartialState
    status: StatusFile
    holding: ExitStack

    def run(self) -> Outcome:
        job, started = self.job, time.time()
        self.status.update("preparing")
        precision = choose_precision(job, self.state.device)
        data = self._prepare()
        loaded = load_base(job, base_dtype(job, precision), self.state, self.settings, self.progress)
        set_seed(job.devices.seed)  # of the weights that are made new
        tuned = tune(loaded, job)
        requests, watch = Requests(self.folder, self.say), LossWatch()
        trainer = self._trainer(tuned, data, precision, [requests, watch])
        point = last_checkpoint(self.folder)
        if point is not None:
            self.say(Note(RESUMED, {"step": point.step}))
        with requests.listening():
            done = trainer.train(resume_from_checkpoint=str(point.path) if point else None)
        if watch.fault is not None:
            raise watch.fault
        state = "stopped" if requests.was_stopped else "finished"
        if trainer.is_on_plateau:
            self.say(Note(PLATEAU, {"count": job.evaluation.plateau_evaluations}))
        self._write_results(state, tuned, data, done, trainer, time.time() - started)
        self.status.update(state, step=done.global_step, eta_seconds=0.0, reason=None)
        return Outcome(state, self.folder, done.global_step)

    def _prepare(self) -> Prepared:
        """The data, and whether the run fits; no weights are read before both are certain.

        The first process prepares, the others read what it wrote.
        """
        with self.state.main_process_first():
            outline = read_outline(self.job, self.settings, self.progress)
            data = prepare_training(
                self.job.data,
                example_builder(self.job, outline.loaded),
                outline.loaded.template_hash,
                self.job.devices.seed,
                self.folder.prepared,
                self.progress,
            )
            if self.state.is_main_process:
                self._check(outline, data)
        return data

    def _check(self, outline: Outline, data: Prepared) -> None:
        check_same_data(data.report, self.folder)
        estimate = estimate_memory(self.job, outline, longest_row(data.report))
        check_memory(estimate)
        check_disk(self.job, estimate, count_steps(self.job, len(data.train)).total, self.folder)
        taken = _taken_bytes(self.job, estimate)
        self.holding.enter_context(
            hold(self.settings.home, name=self.folder.path.name, what="job", held=taken)
        )
        write_whole(self.folder.data_report, data.report.to_dict())
        for note in (*outline.loaded.notes, *data.report.notes):
            self.say(note)

    def _trainer(
        self, tuned: TunedModel, data: Prepared, precision: str, callbacks: list[TrainerCallback]
    ) -> TuningTrainer:
        job, loaded = self.job, tuned.loaded
        evaluates = bool(job.evaluation.evaluate_every_steps) and data.validation is not None
        answers = answer_settings(loaded, job)
        callbacks = [RunLog(self.folder, self.status, str(self.state.device)), *callbacks]
        if job.saving.tensorboard:
            callbacks.append(TensorBoardCallback(SummaryWriter(str(self.folder.tensorboard))))
        score = None
        if evaluates and data.validation and job.evaluation.predict_with_generate:
            score = _scorer(loaded, data.validation["answer"])
        trainer = TuningTrainer(
            tuned,
            self.folder,
            answers=answers,
            best_metric=job.evaluation.best_metric,
            patience=job.evaluation.plateau_evaluations,
            keep_checkpoints=job.saving.keep_checkpoints,
            score=score,
            args=training_arguments(job, self.folder, tuned, precision, self.state, evaluates=evaluates),
            train_dataset=Rows(data.train),
            eval_dataset=Rows(data.validation, with_prompts=score is not None) if evaluates else None,
            data_collator=Padding(answers.pad_id, GPU_MULTIPLE if self.state.device.type == "cuda" else 1),
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)  # the points go to their file
        if job.evaluation.forgetting_probe and not trainer.is_sharded:
            trainer.add_callback(ForgettingProbe(loaded, self.folder))
        elif job.evaluation.forgetting_probe:  # asked by one process, which would wait for the others
            self.say(Note(NO_PROBE))
        return trainer

    def _write_results(
        self, state: str, tuned: TunedModel, data: Prepared, done: Any, trainer: TuningTrainer, seconds: float
    ) -> None:
        if not self.state.is_main_process:
            return
        found = {
            "state": state,
            "step": done.global_step,
            "train_loss": done.training_loss,
            "seconds": round(seconds, 1),
            "tokens_seen": trainer.state.num_input_tokens_seen,
            "answers": trainer.answers.description,
            "checkpoints": [
                {
                    "step": one.step,
                    "is_best": one.is_best,
                    "metrics": dict(one.metrics),
                }
                for one in list_checkpoints(self.folder)
            ],
            **size_of(tuned),
            **provenance(self.job, data.report.files, str(self.state.device)),
        }
        write_whole(self.folder.results, found)


def _taken_bytes(job: JobConfig, estimate: MemoryEstimate) -> dict[str, int]:
    """What all processes of a run take, by device: each has a GPU of its own, or all share one memory."""
    count = job.devices.num_processes
    if count == 1 or not estimate.device.startswith("cuda"):
        return {estimate.device: estimate.total * count}
    return {f"cuda:{number}": estimate.total for number in range(count)}


def _scorer(
    loaded: LoadedModel, labels: Sequence[str]
) -> Callable[[Sequence[Sequence[int]], Sequence[int]], dict[str, float]]:
    """Scores generated ids against the answers of their rows."""

    def score(answers: Sequence[Sequence[int]], rows: Sequence[int]) -> dict[str, float]:
        totals = ScoreTotals()
        for ids, row in zip(answers, rows, strict=True):
            prediction, label = text_of(loaded, ids), labels[row]
            totals.add(score_pair(prediction, label), prediction, label)
        return {name: value for name, value in totals.to_dict().items() if not isinstance(value, str)}

    return score
