import numpy as np
import pytest

from glmcore.curves.findings.finding import Severity
from tests.curves.findings.synthetic import decay, make_run, noisy, read


def test_nan_in_the_middle_is_told_with_its_steps() -> None:
    values = decay()
    values[[99, 149]] = np.nan, -np.inf
    finding = read(make_run(loss=values))["nan"]
    assert (finding.first_step, finding.last_step, finding.value) == (1000, 1500, 2)
    assert finding.severity is Severity.PROBLEM and "2 of 400" in finding.note.text


def test_nan_until_the_end_asks_for_an_earlier_checkpoint() -> None:
    values = decay()
    values[250:] = np.nan
    finding = read(make_run(loss=values))["nan"]
    assert finding.first_step == 2510 and "since step 2510" in finding.note.text


def test_one_infinite_gradient_is_a_warning_only() -> None:
    norms = np.ones(50)
    norms[20] = np.inf
    finding = read(make_run(loss=decay(50), grad_norm=norms))["nan"]
    assert finding.metric == "grad_norm" and finding.severity is Severity.WARNING


def test_only_nan_gives_that_and_no_more() -> None:
    assert set(read(make_run(loss=[np.nan] * 100))) == {"nan"}


def test_a_loss_of_exactly_zero_is_a_problem() -> None:
    values = decay()
    values[300:] = 0
    finding = read(make_run(loss=values))["zero"]
    assert (finding.first_step, finding.last_step, finding.value) == (3010, 4000, 100)


def test_a_small_loss_is_not_zero() -> None:
    assert "zero" not in read(make_run(loss=decay() * 1e-300))


def test_spikes_are_listed_with_their_steps() -> None:
    values = decay()
    values[[100, 230, 370]] += [3.0, 1.0, 2.0]
    finding = read(make_run(loss=values))["spikes"]
    assert finding.note.values["steps"] == "1010, 2310, 3710"
    assert finding.note.values["highest"] == pytest.approx(3.0 + values[99], rel=0.2)
    assert finding.severity is Severity.WARNING


def test_a_spike_of_several_points_counts_once() -> None:
    values = decay()
    values[200:205] += [1, 3, 5, 3, 1]
    assert read(make_run(loss=values))["spikes"].note.values["steps"] == "2030"


def test_fifty_spikes_in_fifty_thousand_steps_are_all_found() -> None:
    values = decay(50_000)
    values[500::1000] *= 1.5
    assert read(make_run(loss=values))["spikes"].value == 50


@pytest.mark.parametrize(
    "values",
    [
        decay(tau=0.005, share=0.0),  # a steep start
        np.repeat([3.0, 1.0, 2.0], 60),  # levels
        np.append(decay(), 9.0),  # it may stay up there
        noisy(np.full(3000, 1.0), 0.3),
        np.random.default_rng(0).laplace(3, 0.3, 3000),
        np.random.default_rng(0).lognormal(0, 0.5, 3000),
        np.where(np.arange(3000) % 7, 0.8, 1.2),  # rows of two kinds in turn
        [1.0, 9.0, 1.0],
    ],
)
def test_no_spike_where_nothing_stands_out(values) -> None:
    assert "spikes" not in read(make_run(loss=values))


@pytest.mark.parametrize("count", [40, 400, 40_000])
def test_an_exploding_gradient_is_found_at_its_step(count) -> None:
    norms = np.random.default_rng(1).lognormal(0, 0.3, count)
    norms[count // 2] = 60
    finding = read(make_run(loss=decay(count), grad_norm=norms))["gradient"]
    assert finding.first_step == finding.last_step == (count // 2 + 1) * 10
    assert finding.value == 60


def test_a_gradient_that_begins_high_does_not_explode() -> None:
    norms = noisy(1 + 80 * np.exp(-np.arange(400) / 5), 0.3)
    assert "gradient" not in read(make_run(loss=decay(), grad_norm=np.abs(norms)))


def test_a_gradient_that_stays_high_explodes_where_it_rose() -> None:
    norms = np.append(np.ones(200), np.full(200, 50.0))
    assert read(make_run(loss=decay(), grad_norm=norms))["gradient"].first_step == 2010
