import numpy as np
import pytest

from glmcore.curves.findings.finding import Severity
from glmcore.curves.run import RunState
from glmcore.curves.series import make_series
from tests.curves.findings.synthetic import decay, make_run, noisy, read

FALLING = noisy(np.linspace(2, 0.5, 200))


def evaluations(values, every=100):
    values = np.asarray(values, dtype=float)
    return make_series(np.arange(1, len(values) + 1.0) * every, values)


def turning(count=20, turn=8):
    """Falls from 1.2 to 0.8, then rises to 1.0."""
    return np.append(np.linspace(1.2, 0.8, turn), np.linspace(0.8, 1.0, count - turn + 1)[1:])


def test_an_evaluation_that_rises_while_training_falls_is_overfitting() -> None:
    run = make_run(loss=FALLING, eval_loss=evaluations(noisy(turning(), 0.005)))
    finding = read(run)["overfitting"]
    assert 700 <= finding.first_step <= 900 and finding.last_step == 2000
    assert finding.value == pytest.approx(0.8, abs=0.01)
    assert "while loss went on falling: overfitting" in finding.note.text


def test_four_evaluations_are_enough_where_they_rise_clearly() -> None:
    run = make_run(loss=FALLING, val_loss=evaluations([1.0, 0.8, 0.9, 1.0], 500))
    assert read(run)["overfitting"].first_step == 1000


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(1.2, 0.8, 20),
        np.full(20, 0.8),
        noisy(np.linspace(1.2, 0.8, 40), 0.03),
        noisy(np.full(40, 0.8), 0.05),
        [1.0, 0.8, 0.81, 0.82],  # too small a rise for so few
        [1.0, 0.8, 1.1],  # too few
        [1.0, 0.8, 0.9, 0.78, 0.9],  # no order
        [np.nan] * 10,
    ],
)
def test_no_overfitting_without_evidence(values) -> None:
    assert "overfitting" not in read(make_run(loss=FALLING, eval_loss=evaluations(values)))


def test_a_training_loss_that_got_to_its_floor_does_not_hide_overfitting() -> None:
    run = make_run(loss=decay(200), eval_loss=evaluations(turning()))
    assert "while loss did not rise: overfitting" in read(run)["overfitting"].note.text


def test_both_losses_rising_is_no_overfitting() -> None:
    rising = np.interp(np.arange(200), [0, 80, 199], [2, 1, 1.3])
    found = read(make_run(loss=noisy(rising), eval_loss=evaluations(turning())))
    assert "overfitting" not in found


def test_the_best_evaluation_names_the_checkpoint_and_how_much_worse_the_last_is() -> None:
    finding = read(make_run(loss=FALLING, eval_loss=evaluations([1.0, 0.8, 0.9])))["best"]
    assert (finding.first_step, finding.last_step, finding.value) == (200, 300, 0.8)
    assert finding.note.values["worse"] == pytest.approx(12.5)
    assert finding.severity is Severity.WARNING


def test_beside_a_best_of_zero_nothing_is_a_percentage() -> None:
    finding = read(make_run(loss=FALLING, eval_loss=evaluations([1.0, 0.0, 0.9])))["best"]
    assert "is far worse" in finding.note.text and "%" not in finding.note.text


def test_the_best_score_is_the_highest() -> None:
    run = make_run(loss=FALLING, **{"eval_bleu-4": evaluations([5.0, 8.0, 7.9])})
    finding = read(run)["best"]
    assert (finding.first_step, finding.severity) == (200, Severity.INFO)


def test_a_last_evaluation_that_is_best_is_good() -> None:
    finding = read(make_run(loss=FALLING, eval_loss=evaluations([1.0, 0.9, 0.8])))["best"]
    assert finding.severity is Severity.GOOD and finding.first_step == 300


@pytest.mark.parametrize("values", [[0.8], [0.8] * 5, [np.nan] * 3])
def test_no_best_where_evaluations_do_not_differ(values) -> None:
    assert "best" not in read(make_run(loss=FALLING, eval_loss=evaluations(values)))


def test_speeds_and_perplexity_are_not_judged_beside_the_loss() -> None:
    curve = evaluations([3.0, 2.0, 1.0])
    names = ("eval_loss", "eval_perplexity", "eval_samples_per_second", "eval_runtime")
    run = make_run(loss=FALLING, **dict.fromkeys(names, curve))
    assert read(run)["best"].metric == "eval_loss"


def test_a_run_without_evaluation_is_told_when_it_is_over() -> None:
    assert read(make_run(loss=decay()))["unevaluated"].severity is Severity.INFO
    assert "unevaluated" not in read(make_run(RunState.RUNNING, loss=decay()))
    assert "unevaluated" not in read(make_run(loss=decay(), eval_loss=evaluations([1.0])))
    assert "unevaluated" not in read(make_run(loss=[1.0, 2.0]))
