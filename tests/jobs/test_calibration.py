"""The time of a job, from the files of a few of its steps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.errors import JobError
from glmcore.jobs.calibration import STEPS, calibration_config, estimate_time, measure
from glmcore.tuning.job_config import JobConfig
from glmcore.tuning.planning.steps import Steps
from glmcore.tuning.run_folder import RunFolder


def write(path: Path, points: list[dict[str, float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(point) + "\n" for point in points))


def calibrated(folder: RunFolder, *, probe: bool = True, evaluation: bool = True) -> RunFolder:
    """Begun at 100, loaded at 110; probe 5 s, steps 2 s each, evaluation of 4 rows 2 s, saving 1 s."""
    time = 115.0 if probe else 110.0
    points: list[dict[str, float]] = []
    for step in range(1, STEPS + 1):
        time += 2.0
        points.append({"loss": 1.0, "step": step, "time": time})
    if evaluation:
        time += 2.0
        points.append({"eval_loss": 1.0, "eval_samples_per_second": 2.0, "time": time})
    time += 1.0
    if probe:
        write(folder.probe, [{"step": 0, "time": 110.0}, {"step": STEPS, "time": time}])
        time += 5.0
    write(folder.metrics, [*points, {"train_loss": 1.0, "time": time}])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_a_calibration_is_the_job_for_a_few_steps(config: JobConfig) -> None:
    short = calibration_config(config, 500)
    assert short.training.max_steps == short.saving.save_every_steps == STEPS
    assert short.evaluation.evaluate_every_steps == STEPS and short.data.max_eval_samples == 16
    assert short.saving.log_every_steps == 1 and short.tuning == config.tuning
    assert calibration_config(short, 500) == short
    assert calibration_config(config, 3).training.max_steps == 3


def test_a_job_that_never_evaluates_is_not_evaluated(config: JobConfig) -> None:
    never = replace(config, evaluation=replace(config.evaluation, evaluate_every_steps=0))
    assert calibration_config(never).evaluation.evaluate_every_steps == 0


def test_parts_of_the_time_are_told_apart(folder: RunFolder) -> None:
    measured = measure(calibrated(folder), began=100.0)
    assert measured.loading == pytest.approx(10.0) and measured.probe == pytest.approx(5.0)
    assert measured.steps == pytest.approx((2.0,) * (STEPS - 1))
    assert (measured.evaluation_row, measured.saving) == pytest.approx((0.5, 1.0))


def test_without_probe_and_evaluation_these_take_no_time(folder: RunFolder) -> None:
    measured = measure(calibrated(folder, probe=False, evaluation=False), began=100.0)
    assert measured.loading == pytest.approx(10.0) and measured.saving == pytest.approx(1.0)
    assert (measured.probe, measured.evaluation_row) == (0.0, 0.0)


def test_the_whole_takes_what_its_parts_take_as_often_as_they_come(
    folder: RunFolder, config: JobConfig
) -> None:
    measured = measure(calibrated(folder), began=100.0)
    estimate = estimate_time(measured, config, Steps(250, 100), num_validation=20)
    # Evaluated and saved at 100, 200 and at the end; the probe also before the first step.
    parts = {"loading": 10, "training": 500, "evaluation": 30, "saving": 3, "probe": 20}
    assert estimate.parts == pytest.approx(parts)
    assert estimate.seconds == pytest.approx(563)
    assert estimate.seconds_low < 520 and estimate.seconds_high > 610
    quiet = replace(
        config, evaluation=replace(config.evaluation, evaluate_every_steps=0, forgetting_probe=False)
    )
    assert set(estimate_time(measured, quiet, Steps(250, 100), 20).parts) == {"loading", "training", "saving"}


def test_steps_that_differ_widen_the_range(folder: RunFolder, config: JobConfig) -> None:
    even = measure(calibrated(folder), began=100.0)
    odd = replace(even, steps=(1.0, 3.0) * 4)
    wide, narrow = (estimate_time(one, config, Steps(100, 100), 0) for one in (odd, even))
    assert wide.seconds == pytest.approx(narrow.seconds)
    assert wide.seconds_high - wide.seconds_low > 2 * (narrow.seconds_high - narrow.seconds_low)


@pytest.mark.parametrize(
    "text",
    ["", '{"loss": 1, "time": 3}\n', "no json\n[1]\n\xff", '{"loss": 1}\n' * 9, '{"loss": 1, "time": "x"}\n'],
)
def test_a_calibration_that_broke_off_tells_no_time(folder: RunFolder, text: str) -> None:
    folder.path.mkdir()
    folder.metrics.write_text(text, encoding="latin-1")
    with pytest.raises(JobError, match="before its last step"):
        measure(folder, began=0.0)
