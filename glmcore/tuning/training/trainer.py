"""transformers' trainer with what tuning a chat model needs beside it.

Learnt weights are saved alone; evaluation gives a loss and, where asked for, answers to prompts of their own;
a checkpoint counts once it is whole; the best one is kept.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Seq2SeqTrainer
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.trainer_pt_utils import nested_detach

from glmcore.tuning.checkpoints import NAME, mark_whole, read_marker, remove_oldest
from glmcore.tuning.methods.tuned import TunedModel
from glmcore.tuning.run_folder import RunFolder
from glmcore.tuning.training.batches import IGNORED, PROMPT_KEYS
from glmcore.tuning.training.generation import AnswerSettings, generate_answers
from glmcore.tuning.training.losses import answer_losses

LOWER_IS_BETTER = "loss"


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation so far, and the best of those with a checkpoint."""

    metric: str
    value: float | None = None
    evaluations_since: int = 0
    checkpoint_value: float | None = None
    checkpoint_step: int | None = None

    def after_evaluation(self, value: float) -> "Best":
        if self._is_better(value, self.value):
            return replace(self, value=value, evaluations_since=0)
        return replace(self, evaluations_since=self.evaluations_since + 1)

    def after_checkpoint(self, value: float, step: int) -> "Best":
        if self._is_better(value, self.checkpoint_value):
            return replace(self, checkpoint_value=value, checkpoint_step=step)
        return self

    def _is_better(self, value: float, than: float | None) -> bool:
        if math.isnan(value):
            return False
        return than is None or (value < than if self.metric == LOWER_IS_BETTER else value > than)


class TuningTrainer(Seq2SeqTrainer):
    """`folder` gets the checkpoints; `score` turns answers (ids) and their rows into metrics."""

    def __init__(
        self,
        tuned: TunedModel,
        folder: RunFolder,
        *,
        answers: AnswerSettings,
        best_metric: str,
        patience: int,
        keep_checkpoints: int,
        score: Callable[[Sequence[Sequence[int]], Sequence[int]], dict[str, float]] | None = None,
        **options: Any,
    ) -> None:
        self.tuned, self.folder, self.answers = tuned, folder, answers
        self.best, self.patience, self.keep_checkpoints = Best(best_metric), patience, keep_checkpoints
        self.last_metrics: tuple[int, Mapping[str, float]] = (-1, {})  # step, metrics
        super().__init__(
            model=tuned.model,
            compute_metrics=_computed_by(score) if score else None,
            **options,
        )

    # --- weights

    def _save(self, output_dir: str | None = None, state_dict: Mapping[str, Tensor] | None = None) -> None:
        if self.args.should_save:
            target = Path(output_dir or self.args.output_dir)
            target.mkdir(parents=True, exist_ok=True)
            self.tuned.save(target, state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.tuned.load is None:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            self.tuned.load(Path(resume_from_checkpoint))
        stored = read_marker(Path(resume_from_checkpoint)).get("best")
        if stored and stored.get("metric") == self.best.metric:
            self.best = Best(**stored)

    # --- steps

    def _run_epoch(self, **options: Any) -> None:
        """A run that ended after its last checkpoint has no step left; transformers would make one more."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(**options)

    # --- checkpoints

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        step = self.state.global_step
        measured_at, metrics = self.last_metrics
        if measured_at == step and (value := self._judged(metrics)) is not None:
            self.best = self.best.after_checkpoint(value, step)
        self.accelerator.wait_for_everyone()  # each process writes a part of the state
        if self.args.should_save:
            facts = {
                "step": step,
                "best_step": self.best.checkpoint_step,
                "best": {name: getattr(self.best, name) for name in Best.__slots__},
                "metrics": dict(metrics) if measured_at == step else {},
            }
            mark_whole(self.folder.checkpoints / f"{NAME}{step}", facts)
            remove_oldest(self.folder, self.keep_checkpoints)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Called after every evaluation while training."""
        self.last_metrics = (self.state.global_step, metrics)
        value = self._judged(metrics)
        if value is not None:
            self.best = self.best.after_evaluation(value)
            if self.patience and self.best.evaluations_since >= self.patience:
                self.control.should_training_stop = True
                self.control.should_save = True  # what was learnt since the last checkpoint
        return False

    @property
    def is_on_plateau(self) -> bool:
        return bool(self.patience) and self.best.evaluations_since >= self.patience

    def _judged(self, metrics: Mapping[str, float]) -> float | None:
        return metrics.get(f"eval_{self.best.metric}")

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds a part of the weights only, so that none can compute alone."""
        return bool(self.is_fsdp_enabled or is_deepspeed_zero3_enabled())

    # --- evaluation

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """With a loss over all learnt tokens, whatever the size of the batches they came in."""
        self._evaluated = torch.zeros(2, dtype=torch.float64)
        found = super().evaluation_loop(*args, **options)
        total, count = self.accelerator.reduce(self._evaluated.to(self.args.device), "sum").tolist()
        for name in found.metrics:
            if name.endswith("_loss"):
                found.metrics[name] = total / count
        return found

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, *args: Any, **options: Any
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Loss, the ids of generated answers (B, max_new_tokens) and the numbers of their rows (B, 1)."""
        prompts = self._prepare_input({key: inputs.pop(key) for key in PROMPT_KEYS if key in inputs})
        with self.compute_loss_context_manager():
            sums_B, counts_B = answer_losses(model, inputs)
        self._evaluated += torch.stack([sums_B.double().sum(), counts_B.sum()])
        loss = (sums_B.sum() / counts_B.sum()).to(self.args.device)
        if prediction_loss_only or not prompts:
            return loss, None, None
        asked = prompts["prompt_ids"], prompts["prompt_mask"]
        ids = generate_answers(self.model, *asked, self.answers, synced_gpus=self.is_sharded)
        # One length for all batches, as they are put together in one array.
        missing = self.answers.max_new_tokens - ids.shape[1]
        ids = torch.nn.functional.pad(ids, (0, missing), value=IGNORED)
        return loss, nested_detach(ids), prompts["row"]


def _computed_by(
    score: Callable[[Sequence[Sequence[int]], Sequence[int]], dict[str, float]],
) -> Callable[[Any], dict[str, float]]:
    def compute(found: Any) -> dict[str, float]:
        return score(found.predictions.tolist(), found.label_ids[:, 0].tolist())

    return compute
