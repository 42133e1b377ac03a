import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from glmcore.core.errors import ConfigError
from glmcore.curves.alerts.rules import (
    DEFAULT_RULES,
    THRESHOLDS,
    AlertAction,
    AlertKind,
    AlertRule,
    check,
    parse_rules,
    rules_to_json,
)
from glmcore.curves.run import RunState
from tests.curves.findings.synthetic import START, decay, make_run, noisy, series

ALL = tuple(replace(rule, is_on=True) for rule in DEFAULT_RULES)


def broken():
    values = decay()
    values[250:] = np.nan
    return values


STORIES = {
    AlertKind.NAN: (broken(), 2510),
    AlertKind.DIVERGENCE: (np.append(decay(), np.full(80, 9.0)), 4000),
    AlertKind.PLATEAU: (noisy(np.append(np.linspace(3, 1, 150), np.full(250, 1.0))), 1500),
}


def alerts(values, rules=ALL, state=RunState.RUNNING, quiet=5.0):
    run = make_run(state, changed_at=START, loss=series(values))
    return check(run, rules, START + quiet)


@pytest.mark.parametrize("kind", STORIES)
def test_a_rule_fires_on_its_story_alone(kind) -> None:
    values, step = STORIES[kind]
    [alert] = alerts(values)
    assert (alert.kind, alert.run_id, alert.at) == (kind, "id", START + 5)
    assert alert.step == pytest.approx(step, rel=0.1)
    assert alert.note.text and json.dumps(dict(alert.note.values))


def test_a_quiet_live_run_is_stalled() -> None:
    [alert] = alerts(decay(tau=0.3), quiet=1000)
    assert alert.kind is AlertKind.STALL and alert.step == 4000
    assert alerts(decay(tau=0.3), quiet=600) == []


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.UNKNOWN])
def test_a_run_that_is_not_live_alerts_nobody(state) -> None:
    assert alerts(broken(), state=state, quiet=1e6) == []


def test_rules_that_are_off_do_not_fire_and_those_on_say_what_to_do() -> None:
    assert alerts(broken(), [replace(rule, is_on=False) for rule in ALL]) == []
    [alert] = alerts(broken(), [AlertRule(AlertKind.NAN, True, AlertAction.STOP, 1)])
    assert alert.action is AlertAction.STOP


@pytest.mark.parametrize(
    ("kind", "threshold"), [(AlertKind.NAN, 1000), (AlertKind.DIVERGENCE, 5000), (AlertKind.PLATEAU, 90)]
)
def test_a_higher_threshold_keeps_a_rule_quiet(kind, threshold) -> None:
    assert alerts(STORIES[kind][0], [AlertRule(kind, True, AlertAction.NONE, threshold)]) == []


@pytest.mark.parametrize("values", [[], [1.0], np.full(300, 1.0), noisy(np.linspace(3, 1, 300))])
def test_a_healthy_live_run_alerts_nobody(values) -> None:
    assert alerts(values) == []


def test_healthy_live_runs_fire_no_divergence() -> None:
    fired = [alerts(decay(300, tau=0.3, share=0.1, seed=seed)[: 20 + 5 * seed]) for seed in range(56)]
    assert sum(any(alert.kind is not AlertKind.PLATEAU for alert in found) for found in fired) == 0


def test_a_run_without_curves_alerts_nobody() -> None:
    assert check(make_run(RunState.RUNNING), ALL, START + 1e6) == []


def test_rules_survive_being_stored() -> None:
    rules = tuple(replace(rule, action=AlertAction.SAVE, threshold=40) for rule in ALL)
    stored = json.loads(json.dumps(rules_to_json(rules)))
    assert parse_rules(stored) == parse_rules({"rules": stored}) == rules
    assert parse_rules([]) == DEFAULT_RULES


def test_what_is_not_said_keeps_its_default() -> None:
    rules = {rule.kind: rule for rule in parse_rules([{"kind": "stall", "action": "stop"}])}
    assert rules[AlertKind.STALL] == AlertRule(AlertKind.STALL, True, AlertAction.STOP, 15)
    assert set(rules) == set(AlertKind) == set(THRESHOLDS)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (None, "Alert rules are None; expected a list of rules."),
        ({}, "Alert rules are None"),
        ([3], "An alert rule is 3"),
        ([{}], "kind of an alert rule is None; expected one of nan, divergence, plateau, stall."),
        ([{"kind": ["nan"]}], "kind of an alert rule is list"),
        ([{"kind": "nan", "often": 1}], "unknown value 'often'"),
        ([{"kind": "nan", "is_on": 1}], "is_on of the alert 'nan' is 1; expected true or false."),
        ([{"kind": "nan", "action": "shout"}], "expected one of none, save, stop."),
        ([{"kind": "stall", "threshold": 0}], "is 0.0; expected a number from 2 to 100000."),
        ([{"kind": "stall", "threshold": "soon"}], "is 'soon'; expected a number"),
        ([{"kind": "stall", "threshold": True}], "is True; expected a number"),
        ([{"kind": "stall", "threshold": float("nan")}], "is nan; expected a number"),
        ([{"kind": "stall", "threshold": 10**5000}], "is inf; expected a number"),
        ([{"kind": "nan"}, {"kind": "nan"}], "'nan' has two rules"),
    ],
)
def test_bad_rules_are_refused_in_one_sentence(values, sentence) -> None:
    with pytest.raises(ConfigError) as error:
        parse_rules(values)
    assert sentence in str(error.value)


JSON = some.one_of(
    some.none(),
    some.booleans(),
    some.floats(),
    some.integers(),
    some.sampled_from(["nan", "stop", "8", "", [], {}, [[]], {"rules": {}}, 10**5000]),
)
ENTRY = some.fixed_dictionaries(
    {"kind": some.sampled_from(["nan", "stall"]) | JSON},
    optional={"is_on": JSON, "action": JSON, "threshold": JSON},
)


@settings(max_examples=60, deadline=None)
@given(JSON | some.lists(ENTRY, max_size=3))
def test_any_json_is_rules_or_one_sentence(values) -> None:
    try:
        rules = parse_rules(values)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert len(rules) == len(AlertKind)
