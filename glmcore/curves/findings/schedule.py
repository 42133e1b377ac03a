"""The learning-rate schedule, told from the shape of its curve."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Curve, Evidence
from glmcore.curves.findings.finding import Finding, Rule, Severity, shown_step
from glmcore.curves.numbers import FloatArray

METRIC = "learning_rate"
LEAST_POINTS = 5
MOST_LOOKED_AT = 400
FITS = 0.02  # largest distance from the shape, of its whole height


class Shape(StrEnum):
    """How a learning rate goes on after its warm-up."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"
    STEPS = "steps"
    FALLING = "falling"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Schedule:
    """`warm_up_until` is the first logged step at the peak; None where the rate began there."""

    shape: Shape
    peak: float
    last: float
    warm_up_until: float | None


TEXTS = {
    Shape.CONSTANT: mark("The learning rate is constant: {peak:.4g}."),
    Shape.LINEAR: mark("The learning rate falls linearly, from {peak:.4g} to {last:.4g}."),
    Shape.COSINE: mark("The learning rate falls along a cosine, from {peak:.4g} to {last:.4g}."),
    Shape.STEPS: mark("The learning rate falls in steps, from {peak:.4g} to {last:.4g}."),
    Shape.FALLING: mark(
        "The learning rate falls from {peak:.4g} to {last:.4g}, neither linearly nor as a cosine."
    ),
    Shape.OTHER: mark("The learning rate rises and falls; its highest is {peak:.4g}, its last {last:.4g}."),
}
WARM_UP_TEXTS = {
    Shape.CONSTANT: mark("The learning rate rises until step {step} (warm-up), then stays at {peak:.4g}."),
    Shape.LINEAR: mark(
        "The learning rate rises until step {step} (warm-up), "
        "then falls linearly from {peak:.4g} to {last:.4g}."
    ),
    Shape.COSINE: mark(
        "The learning rate rises until step {step} (warm-up), "
        "then falls along a cosine from {peak:.4g} to {last:.4g}."
    ),
    Shape.STEPS: mark(
        "The learning rate rises until step {step} (warm-up), "
        "then falls in steps from {peak:.4g} to {last:.4g}."
    ),
    Shape.FALLING: mark(
        "The learning rate rises until step {step} (warm-up), then falls from {peak:.4g} to {last:.4g}, "
        "neither linearly nor as a cosine."
    ),
}
STILL_RISING = mark("The learning rate still rises (warm-up): {last:.4g} at step {step}.")
ALWAYS_ZERO = mark("The learning rate is 0 at all {count} points: nothing is learnt.")


def read_schedule(curve: Curve) -> Schedule | None:
    """The schedule of a learning rate; None where the values are none."""
    values = curve.values
    if len(values) < LEAST_POINTS or values.min() < 0 or values.max() <= 0:
        return None
    peak = float(values.max())
    top = int(np.argmax(values >= peak * (1 - 1e-6)))
    rises = top > 0 and bool(np.all(np.diff(values[: top + 1]) >= 0))
    after = np.linspace(top if rises else 0, len(values) - 1, MOST_LOOKED_AT)
    places = np.unique(after.astype(np.int64))
    shape = _shape(curve.steps[places], values[places], peak)
    return Schedule(shape, peak, float(values[-1]), float(curve.steps[top]) if rises else None)


def _shape(steps: FloatArray, values: FloatArray, peak: float) -> Shape:
    height = values / peak
    if height.max() - height.min() <= 1e-6:
        return Shape.CONSTANT
    falls = np.diff(height)
    if np.any(falls > 1e-6):
        return Shape.OTHER
    if len(height) < LEAST_POINTS:
        return Shape.FALLING
    half = steps / 2
    x = (half - half[0]) / (half[-1] - half[0])
    if np.count_nonzero(falls) <= len(falls) // 4:
        return Shape.STEPS
    # A finished cosine may end above 0; one that is under way is taken to go on to 0.
    floors = (0.0, float(height[-1]))
    misfits = {Shape.LINEAR: _misfit(x, height, height)}
    misfits[Shape.COSINE] = min(_cosine_misfit(x, height, floor) for floor in floors)
    best = min(misfits, key=lambda shape: misfits[shape])
    return best if misfits[best] < FITS else Shape.FALLING


def _misfit(x: FloatArray, y: FloatArray, height: FloatArray) -> float:
    """The largest distance of y from a line, in parts of its height."""
    line = np.polynomial.Polynomial.fit(x, y, 1)
    return float(np.max(np.abs(y - line(x))) / (height.max() - height.min()))


def _cosine_misfit(x: FloatArray, height: FloatArray, floor: float) -> float:
    """The distance from `floor + (1 - floor) * (1 + cos(pi * t)) / 2` with t linear in the steps."""
    t = np.arccos(np.clip(2 * (height - floor) / (1 - floor) - 1, -1, 1)) / np.pi
    return _misfit(x, t, t)


def _find_schedule(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.curve(METRIC, LEAST_POINTS)
    if curve is None:
        return
    first, last = curve.first_step, curve.last_step
    if not np.any(curve.values):
        note = Note(ALWAYS_ZERO, {"count": len(curve)})
        yield Finding("schedule", Severity.PROBLEM, note, METRIC, first, last, 0.0)
        return
    found = read_schedule(curve)
    if found is None:
        return
    values = {"peak": found.peak, "last": found.last}
    if found.warm_up_until == last and found.shape is Shape.CONSTANT:
        note = Note(STILL_RISING, {"last": found.last, "step": shown_step(last)})
    elif found.warm_up_until is not None and found.shape in WARM_UP_TEXTS:
        note = Note(WARM_UP_TEXTS[found.shape], {**values, "step": shown_step(found.warm_up_until)})
    else:
        note = Note(TEXTS[found.shape], values)
    yield Finding("schedule", Severity.INFO, note, METRIC, first, last, found.peak)


SCHEDULE = Rule(
    "schedule",
    mark("Learning-rate schedule"),
    mark(
        "The shape of the learning rate, of at least 5 points: warm-up, then constant, linear, cosine or "
        "steps, where no point is further from the shape than 2 % of its height."
    ),
    _find_schedule,
)
