"""How fast a run goes: drops of its throughput, and a live run whose log stands still."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Curve, Evidence, Outline
from glmcore.curves.findings.finding import Finding, Rule, Severity, shown_step
from glmcore.curves.numbers import AnyArray

SPEED_NAMES = ("tokens_per_second", "train_samples_per_second", "samples_per_second", "steps_per_second")
LEAST_POINTS = 20
SLOW = 0.65  # of the usual speed
LEAST_BLOCKS = 4  # in a row
BLOCKS_OF_TIMES = 64
QUIET_TIMES, LEAST_QUIET = 10.0, 120.0  # usual gaps; seconds
GAPS_LOOKED_AT = 500

SLOWER = mark(
    "{metric} fell from {usual:.4g} to {slow:.4g} between steps {step} and {last} ({share:.0f} % less)."
)
SLOWER_SINCE = mark(
    "{metric} has been {slow:.4g} instead of {usual:.4g} since step {step} ({share:.0f} % less)."
)
SLOWER_STEPS = mark(
    "Steps took {slow:.4g} s instead of {usual:.4g} s between steps {step} and {last} ({share:.0f} % slower)."
)
SLOWER_STEPS_SINCE = mark(
    "Steps have taken {slow:.4g} s instead of {usual:.4g} s since step {step} ({share:.0f} % slower)."
)
QUIET = mark(
    "The run is live, but its log has been quiet for {minutes:.0f} minutes since step {step}; "
    "{usual:.3g} seconds between two points are usual."
)


def _slow_blocks(outline: Outline) -> tuple[int, int, float] | None:
    """The longest slow stretch that is not the start: its first and last block, and the usual speed."""
    speed = outline.smooth
    usual = float(np.quantile(speed, 0.75))
    is_slow = speed < min(SLOW * usual, usual - 3 * outline.noise)
    is_slow[: int(np.argmin(is_slow))] = False  # warming up is usual
    edges = np.flatnonzero(np.diff(is_slow.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts) or (ends - starts).max() < LEAST_BLOCKS:
        return None
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest]) - 1, usual


def _speed_by_times(curve: Curve) -> Outline | None:
    """Steps per second in each of at most 64 stretches, where the log has times."""
    steps, times = curve.series.steps, curve.series.times
    size = max(5, -(-len(steps) // BLOCKS_OF_TIMES))
    edges = np.arange((len(steps) - 1) % size, len(steps), size)
    took, made = np.diff(times[edges]), np.diff(steps[edges])
    speed, ends = made / took, steps[edges][1:]
    usable = np.isfinite(speed) & (took > 0)  # clocks go backwards, or only count whole seconds
    if np.count_nonzero(usable) < 2 * LEAST_BLOCKS or not np.all(np.isfinite(ends)):
        return None
    return Outline(ends[usable], speed[usable])


def _find_slower(evidence: Evidence) -> Iterator[Finding]:
    named = next(filter(None, (evidence.curve(name, LEAST_POINTS) for name in SPEED_NAMES)), None)
    curve = named or evidence.loss(LEAST_POINTS)
    outline = named.outline if named else _speed_by_times(curve) if curve else None
    if curve is None or outline is None or (found := _slow_blocks(outline)) is None:
        return
    first, last, usual = found
    slow = float(np.median(outline.values[first : last + 1]))
    is_since = last == len(outline) - 1
    first_step, last_step = float(outline.steps[first]), float(outline.steps[last])
    values: dict[str, Any] = {"step": shown_step(first_step), "last": shown_step(last_step)}
    if named:
        text = SLOWER_SINCE if is_since else SLOWER
        values |= {"metric": named.name, "usual": usual, "slow": slow, "share": 100 * (1 - slow / usual)}
    else:
        text = SLOWER_STEPS_SINCE if is_since else SLOWER_STEPS
        values |= {"usual": 1 / usual, "slow": 1 / slow, "share": 100 * (usual / slow - 1)}
    yield Finding("speed", Severity.WARNING, Note(text, values), curve.name, first_step, last_step, slow)


@dataclass(frozen=True, slots=True)
class Silence:
    """How long a live run has logged nothing, and what is usual; in seconds."""

    metric: str
    since_step: float
    seconds: float
    usual: float
    longest: float

    @property
    def is_unusual(self) -> bool:
        return self.seconds > max(QUIET_TIMES * self.usual, 2 * self.longest, LEAST_QUIET)

    @property
    def note(self) -> Note:
        values = {"minutes": self.seconds / 60, "usual": self.usual}
        return Note(QUIET, {**values, "step": shown_step(self.since_step)})


def silence(evidence: Evidence) -> Silence | None:
    """The silence of a live run; None where it is not live, or its log has too few times to tell."""
    curve = evidence.loss(LEAST_POINTS // 2)
    status = evidence.run.status
    if curve is None or not status.is_live or status.changed_at <= 0:
        return None
    gaps = _gaps(curve.series.times[-GAPS_LOOKED_AT:])
    if len(gaps) < LEAST_POINTS // 2 - 1:
        return None
    seconds, step = evidence.now - status.changed_at, float(curve.series.steps[-1])
    return Silence(curve.name, step, seconds, float(np.median(gaps)), float(gaps.max()))


def _gaps(times: AnyArray) -> AnyArray:
    gaps = np.diff(times)
    return np.asarray(gaps[np.isfinite(gaps) & (gaps >= 0)])


def _find_silence(evidence: Evidence) -> Iterator[Finding]:
    found = silence(evidence)
    if found is not None and found.is_unusual:
        steps = found.since_step, found.since_step
        yield Finding("stalled", Severity.WARNING, found.note, found.metric, *steps, found.seconds)


SPEED = Rule(
    "speed",
    mark("Throughput drops"),
    mark(
        "Tokens, samples or steps per second, or else the times of the points, stay below 65 % of their "
        "usual (upper quartile) and below their noise, for a stretch after the start."
    ),
    _find_slower,
)
STALLED = Rule(
    "stalled",
    mark("Stalled log"),
    mark(
        "A live run has logged nothing for over 2 minutes, 10 times the usual gap between two points, and "
        "twice the longest."
    ),
    _find_silence,
)
