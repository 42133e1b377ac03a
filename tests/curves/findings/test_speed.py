import numpy as np
import pytest

from glmcore.curves.run import RunState
from tests.curves.findings.synthetic import START, decay, make_run, noisy, read, series


def speeds(seed=0, share=0.1):
    return noisy(np.full(300, 1000.0), share, seed)


def timed(seconds, **more):
    """A loss whose points came so many seconds apart."""
    values = decay(len(seconds))
    return make_run(loss=series(values, times=START + np.cumsum(seconds)), **more)


def test_a_speed_that_stays_low_is_told_since_its_step() -> None:
    values = speeds()
    values[180:] *= 0.4
    finding = read(make_run(loss=decay(300), tokens_per_second=values))["speed"]
    assert 1700 <= finding.first_step <= 1900 and finding.value == pytest.approx(400, rel=0.1)
    assert "since step" in finding.note.text


def test_a_speed_that_was_low_for_a_while_is_told_with_both_ends() -> None:
    values = speeds()
    values[100:140] *= 0.4
    finding = read(make_run(loss=decay(300), train_samples_per_second=values))["speed"]
    assert 950 <= finding.first_step <= 1050 and 1350 <= finding.last_step <= 1450


@pytest.mark.parametrize("seed", range(5))
def test_noise_a_slow_start_and_single_pauses_are_no_drop(seed) -> None:
    values = speeds(seed, 0.3)
    values[:20] *= 0.2
    values[60::40] *= 0.05
    assert "speed" not in read(make_run(loss=decay(300), tokens_per_second=values))


def test_without_a_speed_the_times_of_the_points_tell() -> None:
    seconds = np.append(np.full(200, 5.0), np.full(100, 15.0))
    finding = read(timed(seconds))["speed"]
    assert 1900 <= finding.first_step <= 2200
    assert "have taken 1.5 s instead of 0.5 s" in finding.note.text


def test_pauses_for_evaluations_are_no_drop() -> None:
    seconds = np.full(300, 5.0)
    seconds[49::50] = 120
    assert "speed" not in read(timed(seconds))


@pytest.mark.parametrize(
    "seconds", [np.full(300, -5.0), np.zeros(300), np.full(300, np.nan), np.tile([5.0, -9.0, 5.0], 100)]
)
def test_clocks_that_cannot_be_trusted_say_nothing(seconds) -> None:
    assert "speed" not in read(timed(seconds))


def stalled(quiet, state=RunState.RUNNING, seconds=None):
    run = timed(np.full(100, 5.0) if seconds is None else seconds, state=state, changed_at=START + 500)
    return read(run, START + 500 + quiet).get("stalled")


def test_a_live_run_that_is_quiet_for_long_is_stalled() -> None:
    finding = stalled(1800)
    assert finding is not None and finding.first_step == finding.last_step == 1000
    assert finding.value == 1800 and "quiet for 30 minutes since step 1000" in finding.note.text


def test_a_run_that_is_over_or_only_a_little_quiet_is_not_stalled() -> None:
    assert stalled(1800, RunState.FINISHED) is None
    assert stalled(1800, RunState.UNKNOWN) is None
    assert stalled(60) is None
    assert stalled(-60) is None


def test_a_pause_as_long_as_an_earlier_one_is_usual() -> None:
    seconds = np.full(100, 5.0)
    seconds[50] = 1200
    assert stalled(1800, seconds=seconds) is None
    assert stalled(3000, seconds=seconds) is not None
