import numpy as np

from glmcore.curves.series import make_series
from tests.curves.findings.synthetic import decay, make_run, read


def test_points_that_were_computed_again_are_counted() -> None:
    steps = np.concatenate([np.arange(1, 101), np.arange(71, 201)]) * 10.0
    finding = read(make_run(loss=make_series(steps, decay(230))))["repeated"]
    assert (finding.first_step, finding.last_step, finding.value) == (710, 1000, 30)


def test_a_run_that_was_not_resumed_repeats_nothing() -> None:
    assert "repeated" not in read(make_run(loss=decay()))
