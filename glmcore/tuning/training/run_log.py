"""What a run writes while it runs: points of its curves, and how far it is."""

import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from glmcore.tuning.run_folder import LineFile, RunFolder
from glmcore.tuning.scores import perplexity
from glmcore.tuning.status_file import StatusFile


class RunLog(TrainerCallback):
    """Appends every point that the trainer logs to `metrics.jsonl`, and keeps `status.json` true."""

    def __init__(self, folder: RunFolder, status: StatusFile, device: str) -> None:
        self._folder, self._status, self._device = folder, status, device
        self._lines: LineFile | None = None
        self._begun_at, self._begun_step = 0.0, 0
        self._step_seconds = self._step_began = 0.0
        self._tokens_before = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._begun_at, self._begun_step = time.monotonic(), state.global_step
        self._tokens_before = int(state.num_input_tokens_seen)
        if state.is_world_process_zero:
            self._lines = LineFile(self._folder.metrics)
            self._tell(state)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._step_began = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._step_seconds += time.monotonic() - self._step_began
        if state.is_world_process_zero:
            self._tell(state, at_once=False)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if self._lines is None:
            return
        tokens_seen = int(state.num_input_tokens_seen)
        point = {name: value for name, value in (logs or {}).items() if name != "num_input_tokens_seen"}
        point |= {"step": state.global_step, "time": time.time(), "tokens_seen": tokens_seen}
        if "loss" in point:
            if self._step_seconds:
                point["tokens_per_second"] = (tokens_seen - self._tokens_before) / self._step_seconds
            self._step_seconds, self._tokens_before = 0.0, tokens_seen
        if "eval_loss" in point:
            point["eval_perplexity"] = perplexity(point["eval_loss"])
        point["memory_bytes"] = _peak_memory(self._device)
        self._lines.append(point)
        self._tell(state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _tell(self, state: TrainerState, *, at_once: bool = True) -> None:
        done = state.global_step - self._begun_step
        seconds = time.monotonic() - self._begun_at
        # Only the steps of this process count: those before a resume cost it nothing.
        eta = seconds / done * (state.max_steps - state.global_step) if done else None
        self._status.update(
            "running",
            at_once=at_once,
            step=state.global_step,
            total=state.max_steps,
            epoch=state.epoch,
            eta_seconds=eta,
        )


def _peak_memory(device: str) -> int:
    """Bytes of the GPU at their most; of the process where there is none."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated())
    import psutil

    return int(psutil.Process().memory_info().rss)
