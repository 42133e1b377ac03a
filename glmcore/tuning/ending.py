"""What a run says at its end: how far it came, how good it is, and how to use it."""

import json
import math
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from glmcore.core.i18n import translate
from glmcore.tuning.checkpoints import list_checkpoints
from glmcore.tuning.job_config import JobConfig
from glmcore.tuning.run_folder import RunFolder, read_whole

COMMAND = ("python", "-m", "glmcore")


def ending_lines(state: str, folder: RunFolder, job: JobConfig, language: str) -> Iterator[str]:
    """The lines, for a run that has "finished" or was "stopped"."""
    _ = partial(translate, language=language)
    step = read_whole(folder.status).get("step", 0)
    if state == "finished":
        yield _("Finished at step {step} in {folder}.").format(step=step, folder=folder.path)
    else:
        text = _("Stopped at step {step} in {folder}; the same command goes on from the last checkpoint.")
        yield text.format(step=step, folder=folder.path)
    last, best, best_step = losses(folder.metrics)
    if last is not None:
        yield _("Loss at the end: {loss:.4f}.").format(loss=last)
    if best is not None:
        text = _("Best loss of an evaluation: {loss:.4f}, at step {step}.")
        yield text.format(loss=best, step=best_step)
    checkpoints = list_checkpoints(folder)
    if checkpoints:
        chosen = next((one for one in checkpoints if one.is_best), checkpoints[-1])
        yield _("Talk to it: {command}").format(command=shlex.join(chat_command(job, chosen.path)))
        yield _("Score it: {command}").format(command=shlex.join(predict_command(job, folder)))


def losses(metrics: Path) -> tuple[float | None, float | None, int]:
    """The last loss, and the lowest of an evaluation with its step."""
    last, best, best_step = None, None, 0
    with metrics.open(encoding="utf-8") as file:
        for line in file:
            point = json.loads(line)
            last = point.get("loss", last)
            evaluated = point.get("eval_loss", math.nan)
            if evaluated < (math.inf if best is None else best):
                best, best_step = evaluated, point["step"]
    return last, best, best_step


def chat_command(job: JobConfig, checkpoint: Path) -> list[str]:
    """What talks to a checkpoint; one of all weights is a model itself."""
    if job.tuning.method == "full":
        return [*COMMAND, "chat", "--model", str(checkpoint)]
    return [*COMMAND, "chat", "--model", job.model.base_model, "--adapter", str(checkpoint)]


def predict_command(job: JobConfig, folder: RunFolder) -> list[str]:
    """What answers and scores the test rows; where the job names none, that is left to fill in."""
    test = [] if job.data.test_file else ["test_file=…"]
    return [*COMMAND, "predict", str(folder.job_file), *test]
