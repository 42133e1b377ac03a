import numpy as np
import pytest

from glmcore.curves.findings.evidence import Curve
from glmcore.curves.findings.finding import Severity
from glmcore.curves.findings.schedule import Shape, read_schedule
from tests.curves.findings.synthetic import decay, make_run, read, series

X = np.linspace(0, 1, 200)
COSINE = (1 + np.cos(np.pi * X)) / 2
SHAPES = [
    (Shape.CONSTANT, np.ones(200)),
    (Shape.LINEAR, 1 - X),
    (Shape.LINEAR, 1 - 0.9 * X),
    (Shape.LINEAR, 1 - 0.1 * X),  # under way
    (Shape.COSINE, COSINE),
    (Shape.COSINE, 0.1 + 0.9 * COSINE),
    (Shape.COSINE, COSINE[:80]),  # under way
    (Shape.STEPS, np.repeat([1, 0.1, 0.01, 0.001], 50)),
    (Shape.FALLING, 1 / np.sqrt(1 + 20 * X)),
    (Shape.OTHER, 0.6 + 0.4 * np.cos(6 * np.pi * X)),
]


@pytest.mark.parametrize("scale", [1e-30, 2e-5, 1e20])
@pytest.mark.parametrize(("shape", "values"), SHAPES)
def test_the_shape_is_told_from_the_curve(shape, values, scale) -> None:
    found = read_schedule(Curve("learning_rate", series(values * scale)))
    assert found is not None and (found.shape, found.warm_up_until) == (shape, None)


@pytest.mark.parametrize(("shape", "values"), SHAPES[:-1])
def test_a_warm_up_is_told_with_its_last_step(shape, values) -> None:
    rate = np.concatenate([np.linspace(0, 1, 31)[:-1], values]) * 5e-5
    found = read_schedule(Curve("learning_rate", series(rate)))
    assert found is not None and (found.shape, found.warm_up_until) == (shape, 310)


def test_a_long_run_keeps_the_exact_end_of_its_warm_up() -> None:
    rate = np.append(np.linspace(0, 1, 3001)[:-1], np.linspace(1, 0, 97_000))
    found = read_schedule(Curve("learning_rate", series(rate, every=1)))
    assert found is not None and (found.shape, found.warm_up_until) == (Shape.LINEAR, 3001)


def test_the_finding_says_it_in_words() -> None:
    rate = np.append(np.linspace(0, 1, 31)[:-1], COSINE) * 5e-5
    finding = read(make_run(loss=decay(230), learning_rate=rate))["schedule"]
    assert "until step 310 (warm-up), then falls along a cosine from 5e-05 to 0" in finding.note.text


def test_a_rate_that_only_rose_so_far_is_still_warming_up() -> None:
    finding = read(make_run(loss=decay(30), learning_rate=np.linspace(0, 1, 30)))["schedule"]
    assert "still rises" in finding.note.text


def test_a_rate_of_zero_is_a_problem() -> None:
    finding = read(make_run(loss=decay(30), learning_rate=np.zeros(30)))["schedule"]
    assert finding.severity is Severity.PROBLEM


@pytest.mark.parametrize("values", [[1.0, 0.5], [-1.0] * 30, [np.nan] * 30])
def test_nothing_is_said_of_too_few_or_impossible_rates(values) -> None:
    assert "schedule" not in read(make_run(loss=decay(30), learning_rate=values))
