"""Rules that watch live runs, each with one threshold, and what is asked of a run when one fires.

They ask the questions of the findings; whoever calls `check` again and again keeps what has fired.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.course import divergence, divergence_note, plateau, plateau_note
from glmcore.curves.findings.evidence import Evidence
from glmcore.curves.findings.points import broken_note, broken_points
from glmcore.curves.findings.speed import silence
from glmcore.curves.run import Run


class AlertKind(StrEnum):
    """What is watched for."""

    NAN = "nan"
    DIVERGENCE = "divergence"
    PLATEAU = "plateau"
    STALL = "stall"


class AlertAction(StrEnum):
    """What the run is asked to do; to stop is to save first."""

    NONE = "none"
    SAVE = "save"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Threshold:
    """The one number of a kind of alert: its default, range and help (texts of the catalogue)."""

    title: str
    help: str
    default: float
    least: float
    most: float


THRESHOLDS: Mapping[AlertKind, Threshold] = {
    AlertKind.NAN: Threshold(
        mark("NaN or infinite"),
        mark("points of the training loss that are no finite number, from which on it fires"),
        1,
        1,
        1_000_000,
    ),
    AlertKind.DIVERGENCE: Threshold(
        mark("Divergence"),
        mark("percent that the training loss stays over its best level"),
        25,
        5,
        10_000,
    ),
    AlertKind.PLATEAU: Threshold(
        mark("Plateau"),
        mark("percent of the steps so far in which the training loss has not fallen; at least 30"),
        50,
        30,
        99,
    ),
    AlertKind.STALL: Threshold(
        mark("Stall"),
        mark("minutes without a new line in the log, where that is also far longer than usual"),
        15,
        2,
        100_000,
    ),
}


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule; see `THRESHOLDS` for what its number means."""

    kind: AlertKind
    is_on: bool = True
    action: AlertAction = AlertAction.NONE
    threshold: float = 0.0

    def __post_init__(self) -> None:
        allowed = THRESHOLDS[self.kind]
        if not allowed.least <= self.threshold <= allowed.most:  # NaN is refused, too
            raise ConfigError(
                "The threshold of the alert '{kind}' is {value}; expected a number from {least:g} to {most:g}.",
                kind=str(self.kind),
                value=_shown(self.threshold),
                least=allowed.least,
                most=allowed.most,
            )


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that holds for a run now.

    Attributes:
        step: where it began.
        at: when it was found, in seconds since 1970.
    """

    kind: AlertKind
    run_id: str
    note: Note
    step: float
    at: float
    action: AlertAction


DEFAULT_RULES: tuple[AlertRule, ...] = tuple(
    AlertRule(kind, is_on=kind is not AlertKind.PLATEAU, threshold=THRESHOLDS[kind].default)
    for kind in AlertKind
)


def check(run: Run, rules: Sequence[AlertRule], now: float) -> list[Alert]:
    """The alerts of a live run at one moment; of any other run there are none."""
    if not run.status.is_live:
        return []
    evidence = Evidence(run, now)
    alerts = []
    with np.errstate(all="ignore"):  # of logs with values of any size
        for rule in rules:
            found = _QUESTIONS[rule.kind](evidence, rule.threshold) if rule.is_on else None
            if found is not None:
                note, step = found
                alerts.append(Alert(rule.kind, run.id, note, step, now, rule.action))
    return alerts


def _is_broken(evidence: Evidence, count: float) -> tuple[Note, float] | None:
    curve = evidence.loss(at_least=0)
    found = broken_points(curve) if curve is not None else None
    if curve is None or found is None or found.count < count:
        return None
    return broken_note(curve, found), found.first_step


def _is_diverged(evidence: Evidence, percent: float) -> tuple[Note, float] | None:
    curve = evidence.loss()
    found = divergence(curve, percent / 100) if curve is not None else None
    return (divergence_note(curve, found), found.first_step) if curve and found else None


def _is_on_plateau(evidence: Evidence, percent: float) -> tuple[Note, float] | None:
    curve = evidence.loss()
    found = plateau(curve) if curve is not None else None
    if curve is None or found is None or found.share * 100 < percent:
        return None
    return plateau_note(curve, found), found.first_step


def _is_stalled(evidence: Evidence, minutes: float) -> tuple[Note, float] | None:
    found = silence(evidence)
    if found is None or not found.is_unusual or found.seconds < minutes * 60:
        return None
    return found.note, float(found.curve.series.steps[-1])


_QUESTIONS: Mapping[AlertKind, Callable[[Evidence, float], tuple[Note, float] | None]] = {
    AlertKind.NAN: _is_broken,
    AlertKind.DIVERGENCE: _is_diverged,
    AlertKind.PLATEAU: _is_on_plateau,
    AlertKind.STALL: _is_stalled,
}


def rules_to_json(rules: Sequence[AlertRule]) -> list[dict[str, Any]]:
    """As JSON values, which `parse_rules` reads."""
    return [
        {
            "kind": str(rule.kind),
            "is_on": rule.is_on,
            "action": str(rule.action),
            "threshold": rule.threshold,
        }
        for rule in rules
    ]


def parse_rules(values: Any) -> tuple[AlertRule, ...]:
    """Rules from JSON values: a list, or {"rules": list}. Kinds that it does not name keep their defaults.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    listed = values.get("rules") if isinstance(values, Mapping) else values
    if not isinstance(listed, (list, tuple)):
        raise ConfigError("Alert rules are {found}; expected a list of rules.", found=_shown(listed))
    given: dict[AlertKind, AlertRule] = {}
    for entry in listed:
        rule = _parse_rule(entry)
        if rule.kind in given:
            raise ConfigError("The alert '{kind}' has two rules; leave one.", kind=str(rule.kind))
        given[rule.kind] = rule
    return tuple(given.get(rule.kind, rule) for rule in DEFAULT_RULES)


def _parse_rule(entry: Any) -> AlertRule:
    if not isinstance(entry, Mapping):
        raise ConfigError("An alert rule is {found}; expected its values by name.", found=_shown(entry))
    for name in entry:
        if name not in AlertRule.__slots__:
            raise ConfigError(
                "An alert rule has the unknown value {name}; expected kind, is_on, action and threshold.",
                name=_shown(name),
            )
    kind = _parse_choice("kind", entry.get("kind"), AlertKind)
    default = next(rule for rule in DEFAULT_RULES if rule.kind == kind)
    is_on, threshold = entry.get("is_on", default.is_on), entry.get("threshold", default.threshold)
    if not isinstance(is_on, bool):
        raise ConfigError(
            "is_on of the alert '{kind}' is {value}; expected true or false.",
            kind=str(kind),
            value=_shown(is_on),
        )
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
        threshold = math.nan
    action = _parse_choice("action", entry.get("action", default.action), AlertAction)
    return AlertRule(kind, is_on, action, threshold)
