"""How long a job will take, from a few of its steps.

A calibration is the same job, ended early: it loads, steps, evaluates and saves as the job will, so that
nothing about the machine has to be known. What it wrote is measured here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from glmcore.core.errors import JobError
from glmcore.core.i18n import mark
from glmcore.tuning.data.rows import ROWS_FOR_NAMES
from glmcore.tuning.job_config import JobConfig
from glmcore.tuning.planning.steps import Steps
from glmcore.tuning.run_folder import RunFolder

STEPS = 8
EVALUATION_BATCHES = 4
ROWS = 5 * ROWS_FOR_NAMES  # reading more tells little: a row takes far longer to learn than to read
LEAST_SPREAD = 0.1  # share by which two runs of the same differ anyway
OTHER_SPREAD = 0.3  # of what was measured once or twice
# In the order in which they are shown.
PARTS = {
    "loading": mark("loading"),
    "training": mark("training"),
    "evaluation": mark("evaluation"),
    "saving": mark("saving"),
    "probe": mark("forgetting probe"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds that a calibration took for each."""

    loading: float
    steps: tuple[float, ...]  # without the first, which warms up
    evaluation_row: float
    saving: float
    probe: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeEstimate:
    """Seconds of a whole run. `parts` are by the names of `PARTS`, those that it has."""

    seconds_low: float
    seconds: float
    seconds_high: float
    parts: Mapping[str, float]


def calibration_config(config: JobConfig, total_steps: int | None = None) -> JobConfig:
    """The same job for a few steps; at their end it evaluates on a few rows, if it ever does, and saves.

    The forgetting probe stays as it is: on a CPU it takes as long as a dozen steps, at every checkpoint.

    Args:
        total_steps: of the job, where they are known.
    """
    data, evaluation = config.data, config.evaluation
    steps = min(total_steps or config.training.max_steps or STEPS, STEPS)
    rows = EVALUATION_BATCHES * evaluation.per_device_eval_batch_size * config.devices.num_processes
    return replace(
        config,
        data=replace(
            data,
            max_train_samples=min(data.max_train_samples or ROWS, ROWS),
            max_eval_samples=min(data.max_eval_samples or rows, rows),
        ),
        training=replace(config.training, max_steps=steps),
        evaluation=replace(
            evaluation,
            evaluate_every_steps=steps if evaluation.evaluate_every_steps else 0,
            plateau_evaluations=0,
        ),
        saving=replace(config.saving, save_every_steps=steps, keep_checkpoints=1, log_every_steps=1),
    )


def measure(folder: RunFolder, began: float) -> Measured:
    """What a calibration that has finished took.

    Args:
        began: when its process was started.

    Raises:
        JobError: it has not finished.
    """
    points, probes = list(_iter_lines(folder.metrics)), list(_iter_lines(folder.probe))
    losses = [point["time"] for point in points if "loss" in point]
    evaluations = [point for point in points if point.get("eval_samples_per_second")]
    ends = [point["time"] for point in points if "train_loss" in point]
    if len(losses) < 2 or not ends:
        raise JobError(
            "The calibration run ended before its last step, so the time is not known; see its log."
        )
    steps = tuple(later - earlier for earlier, later in pairwise(losses))
    saved_from = max(losses[-1], *(point["time"] for point in evaluations)) if evaluations else losses[-1]
    saved = probes[-1]["time"] if probes else ends[-1]
    trained_from = probes[0]["time"] if probes else losses[0] - mean(steps)
    asked = [losses[0] - mean(steps) - trained_from, ends[-1] - saved] if probes else [0.0]
    return Measured(
        loading=max(0.0, trained_from - began),
        steps=steps,
        evaluation_row=1 / evaluations[-1]["eval_samples_per_second"] if evaluations else 0.0,
        saving=max(0.0, saved - saved_from),
        probe=max(0.0, mean(asked)),
    )


def estimate_time(measured: Measured, config: JobConfig, steps: Steps, num_validation: int) -> TimeEstimate:
    """The time of the whole job.

    Args:
        num_validation: rows that each evaluation is on.
    """
    step, every = mean(measured.steps), config.evaluation.evaluate_every_steps
    evaluations = ceil(steps.total / every) if every else 0
    saves = ceil(steps.total / config.saving.save_every_steps)
    found = {
        "loading": measured.loading,
        "training": step * steps.total,
        "evaluation": measured.evaluation_row * num_validation * evaluations,
        "saving": measured.saving * saves,
        "probe": measured.probe * (1 + saves) if config.evaluation.forgetting_probe else 0.0,
    }
    total = sum(found.values())
    spread = _spread(measured.steps) * found["training"] + OTHER_SPREAD * (total - found["training"])
    return TimeEstimate(
        seconds_low=total - spread,
        seconds=total,
        seconds_high=total + spread,
        parts={name: found[name] for name in PARTS if found[name]},
    )


def _spread(steps: Sequence[float]) -> float:
    """The share by which the mean of so few steps may be wrong: two standard errors."""
    if len(steps) < 2:
        return OTHER_SPREAD
    return min(0.9, max(LEAST_SPREAD, 2 * stdev(steps) / sqrt(len(steps)) / mean(steps)))


def _iter_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The points of a file of JSON lines that have a time."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        try:
            point = json.loads(line)
        except ValueError:
            continue
        if isinstance(point, dict) and isinstance(point.get("time"), (int, float)):
            yield point
