import numpy as np
import pytest

from glmcore.curves.findings.finding import Severity
from glmcore.curves.run import RunState
from tests.curves.findings.synthetic import decay, make_run, noisy, read

COURSE = {"falling", "plateau", "divergence"}


def course(**curves):
    return {name: finding for name, finding in read(make_run(**curves)).items() if name in COURSE}


def test_a_loss_that_falls_until_the_end_is_still_falling() -> None:
    found = course(loss=noisy(np.linspace(3, 1, 300)))
    assert set(found) == {"falling"}
    finding = found["falling"]
    assert finding.severity is Severity.INFO
    assert 1900 <= finding.first_step <= 2100 and finding.last_step == 3000
    assert finding.value == pytest.approx(1.0, abs=0.1)


def test_falling_is_good_news_of_a_live_run() -> None:
    finding = read(make_run(RunState.RUNNING, loss=noisy(np.linspace(3, 1, 300))))["falling"]
    assert finding.severity is Severity.GOOD and "at the end" not in finding.note.text


def test_a_loss_that_fell_and_stays_is_on_a_plateau_since_it_got_there() -> None:
    mean = np.concatenate([np.linspace(3, 1, 200), np.full(200, 1.0)])
    found = course(loss=noisy(mean))
    assert set(found) == {"plateau"}
    assert 1800 <= found["plateau"].first_step <= 2200  # within a twentieth of the run
    assert found["plateau"].value == pytest.approx(1.0, abs=0.02)


def test_a_plateau_of_a_long_run_is_found_as_well() -> None:
    mean = np.concatenate([np.linspace(3, 1, 10_000), np.full(10_000, 1.0)])
    assert course(loss=noisy(mean, 0.1))["plateau"].first_step == pytest.approx(100_000, rel=0.05)


def test_noise_that_could_hide_a_fall_is_no_plateau() -> None:
    assert course(loss=noisy(np.append(np.linspace(3, 1, 15), np.full(15, 1.0)), 0.2)) == {}


@pytest.mark.parametrize("count", [60, 400, 20_000])
def test_a_loss_that_rises_and_stays_has_diverged_where_it_left(count) -> None:
    x = np.linspace(0, 1, count)
    mean = np.where(x < 0.6, 1 + 2 * np.exp(-x / 0.1), np.minimum(1 + 40 * (x - 0.6), 7))
    finding = course(loss=noisy(mean))["divergence"]
    assert finding.severity is Severity.PROBLEM
    assert finding.first_step == pytest.approx(0.6 * count * 10, rel=0.08)
    assert finding.value == pytest.approx(7, rel=0.05)


def test_a_loss_that_came_back_has_not_diverged() -> None:
    values = decay()
    values[150:200] += 5
    assert "divergence" not in course(loss=values)


def test_a_small_rise_is_no_divergence() -> None:
    mean = np.concatenate([np.linspace(3, 1, 200), np.linspace(1, 1.1, 200)])
    assert "divergence" not in course(loss=noisy(mean))


@pytest.mark.parametrize("seed", range(5))
def test_noise_around_a_level_says_nothing(seed) -> None:
    assert course(loss=noisy(np.full(300, 1.2), 0.2, seed)) == {}


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e140])
def test_findings_do_not_depend_on_the_scale(scale) -> None:
    for values in (decay(), noisy(np.linspace(3, 1, 300)), np.append(decay(), np.full(80, 9.0))):
        assert set(course(loss=values)) == set(course(loss=values * scale)) != set()
