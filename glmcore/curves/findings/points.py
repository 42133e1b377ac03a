"""What single points show, looked for in all of them: spikes, NaN, zeros, explosions of the gradient."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Curve, Evidence
from glmcore.curves.findings.finding import Finding, Rule, Severity, shown_step, shown_steps
from glmcore.curves.findings.robust import block_medians, block_numbers, peaks, running_median

LEAST_POINTS = 16
SPIKE_SHARE = 0.2  # of the level
EXPLOSION = 10.0  # times the level before
MANY_SPIKES = 3
LEAST_ZEROS = 2

GRADIENT_NAMES = ("grad_norm", "gradient_norm", "total_norm")

SPIKES = mark(
    "Spikes in {metric}: {count}, at step {steps}. The highest reaches {highest:.4g}, "
    "where {level:.4g} is usual."
)
NOT_FINITE = mark(
    "{metric} is NaN or infinite at {count} of {all} points, first at step {step}, last at step {last}."
)
NOT_FINITE_SINCE = mark(
    "{metric} has been NaN or infinite since step {step} (points: {count}). "
    "Nothing learnt after it is of use; take a checkpoint from before."
)
ZEROS = mark(
    "{metric} is exactly 0 at {count} of {all} points, first at step {step}. Nothing is learnt there: "
    "look for rows whose answers are cut away, and for overflow in half precision."
)
EXPLOSIONS = mark(
    "Explosions of {metric}: {count}, at step {steps}. The highest reaches {highest:.4g}, "
    "where {level:.4g} was usual."
)


@dataclass(frozen=True, slots=True)
class BrokenPoints:
    """Points that are NaN or infinite; `is_since` where none after the first is finite."""

    count: int
    first_step: float
    last_step: float
    is_since: bool


def broken_points(curve: Curve) -> BrokenPoints | None:
    places = np.flatnonzero(~curve.is_finite)
    if not len(places):
        return None
    first, last = int(places[0]), int(places[-1])
    steps = curve.series.steps
    is_since = len(places) == len(steps) - first
    return BrokenPoints(len(places), float(steps[first]), float(steps[last]), is_since)


def broken_note(curve: Curve, found: BrokenPoints) -> Note:
    values = {"metric": curve.name, "count": found.count, "step": shown_step(found.first_step)}
    if found.is_since:
        return Note(NOT_FINITE_SINCE, values)
    return Note(NOT_FINITE, {**values, "all": len(curve.series), "last": shown_step(found.last_step)})


def _find_broken(evidence: Evidence) -> Iterator[Finding]:
    names = dict.fromkeys([*([evidence.loss_name] if evidence.loss_name else []), *evidence.judged_names])
    for name in [*names, *GRADIENT_NAMES]:
        curve = evidence.curve(name, at_least=0)
        if curve is None or (found := broken_points(curve)) is None:
            continue
        # In half precision a step whose gradient overflows is left out, which is no harm.
        is_harmless = name in GRADIENT_NAMES and not found.is_since
        severity = Severity.WARNING if is_harmless else Severity.PROBLEM
        note = broken_note(curve, found)
        yield Finding("nan", severity, note, name, found.first_step, found.last_step, float(found.count))


def _find_zeros(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(LEAST_ZEROS)
    if curve is None:
        return
    places = np.flatnonzero(curve.values == 0)
    if len(places) < LEAST_ZEROS:
        return
    first, last = float(curve.steps[places[0]]), float(curve.steps[places[-1]])
    values = {"metric": curve.name, "count": len(places), "all": len(curve), "step": shown_step(first)}
    yield Finding("zero", Severity.PROBLEM, Note(ZEROS, values), curve.name, first, last, float(len(places)))


def _find_spikes(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(LEAST_POINTS)
    if curve is None:
        return
    places, levels = peaks(curve.values, SPIKE_SHARE)
    if not len(places):
        return
    at = int(np.argmax(curve.values[places] - levels))
    values = {
        "metric": curve.name,
        "count": len(places),
        "steps": shown_steps(curve.steps[places[:6]]),
        "highest": float(curve.values[places[at]]),
        "level": float(levels[at]),
    }
    severity = Severity.WARNING if len(places) >= MANY_SPIKES else Severity.INFO
    first, last = float(curve.steps[places[0]]), float(curve.steps[places[-1]])
    yield Finding("spikes", severity, Note(SPIKES, values), curve.name, first, last, float(len(places)))


def _level_before(values: np.ndarray) -> np.ndarray:
    """The usual level of the five blocks before each point's block; infinite where there are fewer."""
    size = max(1, len(values) // 512)
    usual = running_median(block_medians(values, size))
    before = np.full(len(usual), np.inf)
    before[5:] = usual[2:-3]
    return np.asarray(before[block_numbers(len(values), size)])


def _find_explosions(evidence: Evidence) -> Iterator[Finding]:
    curve = next(filter(None, (evidence.curve(name, LEAST_POINTS) for name in GRADIENT_NAMES)), None)
    if curve is None:
        return
    before = _level_before(curve.values)
    places = np.flatnonzero((curve.values > EXPLOSION * before) & (before > 0))
    if not len(places):
        return
    at = int(places[np.argmax(curve.values[places])])
    highest = float(curve.values[at])
    values = {
        "metric": curve.name,
        "count": len(places),
        "steps": shown_steps(curve.steps[places[:6]]),
        "highest": highest,
        "level": float(before[at]),
    }
    first, last = float(curve.steps[places[0]]), float(curve.steps[places[-1]])
    note = Note(EXPLOSIONS, values)
    yield Finding("gradient", Severity.WARNING, note, curve.name, first, last, highest)


BROKEN = Rule(
    "nan",
    mark("NaN or infinite"),
    mark("Any point of a loss, a score or the gradient norm that is no finite number."),
    _find_broken,
)
ZERO = Rule(
    "zero",
    mark("Loss exactly 0"),
    mark("At least 2 points of the training loss that are exactly 0."),
    _find_zeros,
)
SPIKE = Rule(
    "spikes",
    mark("Spikes"),
    mark(
        "Points of the training loss, up to seven in a row, that stand out over both of their sides by at "
        "least 20 % of the level and 8 times the usual deviation, and that came back."
    ),
    _find_spikes,
)
GRADIENT = Rule(
    "gradient",
    mark("Gradient explosions"),
    mark("Points of the gradient norm that are over 10 times its usual level before."),
    _find_explosions,
)
