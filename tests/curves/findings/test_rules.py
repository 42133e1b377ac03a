import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from glmcore.curves.findings.finding import Severity
from glmcore.curves.findings.rules import RULES, read_run
from glmcore.curves.run import RunState
from glmcore.curves.series import make_series
from tests.curves.findings.synthetic import START, decay, make_run, noisy, read, series

NAMES = ("loss", "eval_loss", "eval_bleu-4", "learning_rate", "grad_norm", "tokens_per_second")
WORRIES = (Severity.WARNING, Severity.PROBLEM)


def healthy(seed, count):
    """A run as most are: an exponential fall, noise of up to 10 %, evaluations, a schedule, pauses."""
    random = np.random.default_rng(seed)
    x = np.linspace(0, 1, count)
    floor, height, tau = random.uniform(0.2, 2), random.uniform(0.5, 3), random.uniform(0.05, 0.5)
    mean = floor + height * np.exp(-x / tau)
    at = np.linspace(count // 10, count - 1, 10).astype(int)
    seconds = random.uniform(0.9, 1.3, count)
    seconds[at] += 30
    times = START + np.cumsum(seconds)
    return make_run(
        loss=series(noisy(mean, random.uniform(0.005, 0.1), seed), times=times),
        learning_rate=np.minimum(1, 20 * x) * (1 - x) * 1e-4,
        grad_norm=random.lognormal(0, 0.35, count),
        eval_loss=make_series((at + 1) * 10.0, noisy(mean[at] * 1.05, 0.005, seed + 1)),
    )


def test_rules_have_names_titles_and_explanations_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES)
    assert all(rule.explanation.endswith(".") for rule in RULES)


def test_a_finding_is_told_by_the_rule_it_names_in_the_order_of_the_rules() -> None:
    values = decay(share=0.01)
    values[[100, 200]] = np.nan, 9
    findings = read_run(make_run(loss=values, eval_loss=[2, 1, 2], learning_rate=np.ones(400)), START)
    order = [rule.name for rule in RULES]
    places = [order.index(finding.rule) for finding in findings]
    assert places == sorted(places)
    assert {"nan", "spikes", "plateau", "best", "schedule"} <= {order[place] for place in places}


@pytest.mark.parametrize("count", [30, 300, 3000])
def test_healthy_runs_give_no_worry(count) -> None:
    """At most 2 of 40; by another 5,000 runs, with other noise as well, it is 1 of 500."""
    findings = [finding for seed in range(40) for finding in read_run(healthy(seed, count), START)]
    worries = Counter(finding.rule for finding in findings if finding.severity in WORRIES)
    assert worries.total() <= 2, worries


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [3.0, 2.0, 1.0],
        [np.nan] * 5 + [1.0],
        np.full(500, 1.3),
        np.full(500, 1e150),
        np.full(500, 1e-320),
        np.full(500, -7.0),
        np.random.default_rng(0).normal(size=500),
        np.random.default_rng(0).normal(size=500) * 1e140,
    ],
)
def test_curves_without_a_story_give_facts_only(values) -> None:
    found = read(make_run(loss=values))
    assert set(found) <= {"unevaluated", "nan"}


def test_a_run_without_curves_gives_nothing() -> None:
    assert read_run(make_run(), START) == []
    assert read_run(make_run(weird=decay(), other=[1.0]), START) == []


def test_another_name_of_the_loss_is_read_too() -> None:
    assert "divergence" in read(make_run(total_loss=np.append(decay(), np.full(80, 9.0))))


def test_names_with_braces_and_html_are_told_as_they_are() -> None:
    name = "eval_<b>{0}{metric}</b>_loss"
    finding = read(make_run(loss=decay(), **{name: series([1.0, 0.5, 0.9])}))["best"]
    assert finding.note.text.startswith(name)


def test_of_ten_thousand_metrics_only_some_are_read() -> None:
    curve = series([np.nan])
    findings = read_run(make_run(**{f"a{number}_loss": curve for number in range(10_000)}), START)
    assert 0 < len(findings) <= 200


VALUES = some.one_of(some.floats(), some.sampled_from([0.0, 1.0, np.nan, np.inf, 1e308, -1e308, 5e-324]))
POINTS = some.integers(0, 60).flatmap(
    lambda count: some.tuples(*(arrays(float, count, elements=VALUES) for _ in range(3)))
)
STORIES = some.builds(
    lambda seed, count, bend: np.random.default_rng(seed).normal(size=count).cumsum() * bend,
    some.integers(0, 999),
    some.integers(0, 300),
    some.floats(-1e300, 1e300),
).map(lambda values: (np.arange(len(values)) * 1.0, values, values))


RUNS = some.dictionaries(some.sampled_from(NAMES), POINTS | STORIES, min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(RUNS, some.floats())
def test_any_series_gives_findings_inside_it_and_never_an_error(points, now) -> None:
    assert_readable(points, now)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(RUNS, some.floats())
def test_thousands_of_series_give_findings_inside_them_and_never_an_error(points, now) -> None:
    assert_readable(points, now)


def assert_readable(points, now):
    with np.errstate(all="ignore"):
        curves = {name: make_series(*arrays_of) for name, arrays_of in points.items()}
    for state in (RunState.RUNNING, RunState.FINISHED):
        for finding in read_run(make_run(state, **curves), now):
            curve = curves[finding.metric]
            steps = np.append(curve.steps, curve.superseded.steps if curve.superseded else [])
            assert steps.min() <= finding.first_step <= finding.last_step <= steps.max()
            assert finding.note.text
            json.dumps(dict(finding.note.values))  # alerts keep it so
