"""Rules that watch live runs, each with one threshold, and what is asked of a run when one fires.

They ask the questions of the findings; whoever calls `check` again and again keeps what has fired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.course import divergence, divergence_note, plateau, plateau_note
from glmcore.curves.findings.evidence import Evidence
from glmcore.curves.findings.points import broken_note, broken_points
from glmcore.curves.findings.speed import silence
from glmcore.curves.numbers import parse_number
from glmcore.curves.run import Run

LONGEST_SHOWN = 80  # letters of a wrong value
_FIELDS = ("kind", "is_on", "action", "threshold")
Choice = TypeVar("Choice", bound=StrEnum)


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
    is_on: bool
    action: AlertAction
    threshold: float

    def __post_init__(self) -> None:
        allowed = THRESHOLDS[self.kind]
        if not allowed.least <= self.threshold <= allowed.most:  # NaN is refused, too
            raise _wrong_threshold(self.kind, self.threshold)


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
    AlertRule(kind, kind is not AlertKind.PLATEAU, AlertAction.NONE, THRESHOLDS[kind].default)
    for kind in AlertKind
)


def check(run: Run, rules: Sequence[AlertRule], now: float) -> list[Alert]:
    """The alerts of a live run at one moment; of any other run there are none."""
    if not run.status.is_live:
        return []
    evidence = Evidence(run, now)
    with np.errstate(all="ignore"):  # of logs with values of any size
        answers = [(rule, _ask(evidence, rule)) for rule in rules if rule.is_on]
    return [
        Alert(rule.kind, run.id, note, step, now, rule.action)
        for rule, answer in answers
        if answer is not None
        for note, step in [answer]
    ]


def _ask(evidence: Evidence, rule: AlertRule) -> tuple[Note, float] | None:
    """What is the matter and since which step; None where the rule does not hold."""
    curve = evidence.loss(at_least=0)
    if curve is None:
        return None
    match rule.kind:
        case AlertKind.NAN:
            broken = broken_points(curve)
            if broken is not None and broken.count >= rule.threshold:
                return broken_note(curve, broken), broken.first_step
        case AlertKind.DIVERGENCE:
            risen = divergence(curve, rule.threshold / 100)
            if risen is not None:
                return divergence_note(curve, risen), risen.first_step
        case AlertKind.PLATEAU:
            flat = plateau(curve)
            if flat is not None and flat.share * 100 >= rule.threshold:
                return plateau_note(curve, flat), flat.first_step
        case AlertKind.STALL:
            quiet = silence(evidence)
            if quiet is not None and quiet.is_unusual and quiet.seconds >= rule.threshold * 60:
                return quiet.note, quiet.since_step
    return None


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
    if unknown := [name for name in entry if name not in _FIELDS]:
        raise ConfigError(
            "An alert rule has the unknown value {name}; expected one of {names}.",
            name=_shown(unknown[0]),
            names=", ".join(_FIELDS),
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
    action = _parse_choice("action", entry.get("action", default.action), AlertAction)
    number = parse_number(threshold)
    if number is None:
        raise _wrong_threshold(kind, threshold)
    return AlertRule(kind, is_on, action, number)


def _parse_choice(name: str, value: Any, choices: type[Choice]) -> Choice:
    if not isinstance(value, str) or value not in list(choices):
        raise ConfigError(
            "{name} of an alert rule is {value}; expected one of {choices}.",
            name=name,
            value=_shown(value),
            choices=", ".join(choices),
        )
    return choices(value)


def _wrong_threshold(kind: AlertKind, value: Any) -> ConfigError:
    return ConfigError(
        "The threshold of the alert '{kind}' is {value}; expected a number from {least:g} to {most:g}.",
        kind=str(kind),
        value=_shown(value),
        least=THRESHOLDS[kind].least,
        most=THRESHOLDS[kind].most,
    )


def _shown(value: Any) -> str:
    """A value in a sentence, however large it is; of lists and mappings only what they are."""
    if isinstance(value, str):
        return repr(value[:LONGEST_SHOWN])
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**15):
        return str(value)
    return type(value).__name__
