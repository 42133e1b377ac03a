"""What ends a run before its last step, and what asks it for a checkpoint."""

import json
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from glmcore.core.errors import JobError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.tuning.run_folder import RunFolder

STOPPING = mark("The run saves a checkpoint and ends after this step.")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
ZERO_LOSSES = 3  # in a row; a real loss is never exactly 0
NOTHING, SAVE, STOP_AND_SAVE, STOP = range(4)


class Requests(TrainerCallback):
    """Obeys at the end of a step: a stop with or without a checkpoint, or a checkpoint alone.

    Asked for by files in the run's folder, or by SIGTERM or SIGINT (a stop that saves; the second SIGINT ends
    at once).
    """

    def __init__(self, folder: RunFolder, say: Callable[[Note], None] = lambda _: None) -> None:
        self._folder, self._say = folder, say
        self._signal: int | None = None
        self.was_stopped = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts a signal is a request, in the main thread of the process."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        asked = self._asked(state.is_world_process_zero)
        if args.world_size > 1:
            asked = _highest(asked, args.device)
        if asked in (STOP_AND_SAVE, STOP):
            control.should_training_stop = self.was_stopped = True
            control.should_log = True
        if asked in (STOP_AND_SAVE, SAVE):
            control.should_save = True
        if asked == STOP:
            control.should_save = False

    def _asked(self, is_main: bool) -> int:
        if self._signal is not None:
            return STOP_AND_SAVE
        if not is_main:
            return NOTHING
        if self._folder.stop_request.exists():
            wants_save = _wants_save(self._folder)
            self._folder.stop_request.unlink(missing_ok=True)
            return STOP_AND_SAVE if wants_save else STOP
        if self._folder.save_request.exists():
            self._folder.save_request.unlink(missing_ok=True)
            return SAVE
        return NOTHING

    def _on_signal(self, number: int, frame: Any) -> None:
        if number == signal.SIGINT and self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number
        self._say(Note(STOPPING))


class LossWatch(TrainerCallback):
    """Ends a run that cannot learn any more, and says why in `fault`."""

    def __init__(self) -> None:
        self._zeros = 0
        self.fault: JobError | None = None

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        self._zeros = self._zeros + 1 if loss == 0 else 0
        if not math.isfinite(loss):
            self.fault = JobError(
                "Step {step}: the loss is {loss}; nothing after it can be learnt. Lower the learning rate, "
                "or use precision bf16 or fp32; the last checkpoint is from before.",
                step=state.global_step,
                loss=loss,
            )
        elif not args.fp16 and not math.isfinite((logs or {}).get("grad_norm") or 0.0):
            # With fp16 such a step is left out, and the next goes on with smaller numbers.
            self.fault = JobError(
                "Step {step}: the gradient is no number, and with it the weights. Lower the learning rate, "
                "or use precision fp32; the last checkpoint is from before.",
                step=state.global_step,
            )
        elif self._zeros >= ZERO_LOSSES:
            self.fault = JobError(
                "Step {step}: the loss has been exactly 0 for {count} points, so nothing is learnt. See in "
                "the preview which tokens of the rows are learnt, and whether precision fp16 is too narrow.",
                step=state.global_step,
                count=self._zeros,
            )
        if self.fault is not None:
            control.should_training_stop = True
            control.should_save = control.should_evaluate = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if control.should_save:  # a checkpoint is of no use if the loss before it is none
            control.should_log = True


def _wants_save(folder: RunFolder) -> bool:
    """True unless the request says otherwise: what nobody can read loses nothing."""
    try:
        return bool(json.loads(folder.stop_request.read_text(encoding="utf-8")).get("save", True))
    except (OSError, ValueError, AttributeError):
        return True


def _highest(asked: int, device: torch.device) -> int:
    """The same for all processes: the strongest that one of them was asked for."""
    number = torch.tensor(asked, device=device)
    torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
    return int(number)
