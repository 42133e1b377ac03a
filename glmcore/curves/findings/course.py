"""Where a loss is going: still falling, on a plateau, or diverged.

Each question is a function on a curve, which the rules put into words and the alerts ask of live runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Curve, Evidence, Outline
from glmcore.curves.findings.finding import Finding, Rule, Severity, shown_step
from glmcore.curves.findings.robust import slope

LEAST_POINTS, LEAST_FOR_PLATEAU = 12, 20
LEAST_FOR_SLOPE = 8  # with fewer points the test cannot be sure
SURE = 3.0  # of Mann-Kendall's z: by chance once in 700 curves
LEAST_FALL = 0.02  # of the level, in the last third
PLATEAU_SHARE = 0.3  # of the run
SMALL = 0.05  # of the level, or of the fall before
SMOOTHED = 0.54  # of the noise is left by a running median of five
DIVERGED_RISE = 0.25  # of the best level, and of what had been gained until then

FALLING = mark("{metric} is still falling: from {before:.4g} to {after:.4g} since step {step}.")
FELL_TO_THE_END = mark(
    "{metric} was still falling at the end: from {before:.4g} to {after:.4g} since step {step}. "
    "More steps may lower it further."
)
ON_PLATEAU = mark(
    "{metric} has stayed near {level:.4g} since step {step}, for {share:.0f} % of the run: a plateau."
)
DIVERGED = mark(
    "{metric} rose from {best:.4g} to {level:.4g} after step {step} and has not come back: the run diverged."
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a curve, and its levels at both ends."""

    first_step: float
    last_step: float
    before: float
    after: float
    share: float  # of the run


def falling(curve: Curve) -> Stretch | None:
    """The last third of a curve, where that falls surely and by enough."""
    outline = curve.outline
    if len(curve) < LEAST_POINTS:
        return None
    first = min(int(np.searchsorted(outline.x, 2 / 3)), len(outline) - LEAST_FOR_SLOPE)
    rise, sure = slope(outline.x[first:], outline.values[first:])
    share = 1 - float(outline.x[first])
    if sure > -SURE or -rise * share < LEAST_FALL * abs(outline.last_level):
        return None
    ends = float(np.median(outline.values[first : first + 3])), outline.last_level
    return Stretch(float(outline.steps[first]), curve.last_step, *ends, share)


def plateau(curve: Curve) -> Stretch | None:
    """The end of a curve that had fallen before, from where it stays at its last level."""
    outline = curve.outline
    if len(outline) < LEAST_FOR_PLATEAU:
        return None
    smooth = outline.smooth
    level = float(np.median(outline.values[-(len(outline) // 4) :]))
    before = float(np.median(outline.values[:3]))
    fallen = before - level
    if fallen < max(6 * outline.noise, 0.05 * abs(level)):
        return None
    near = max(4 * outline.noise * SMOOTHED, 0.01 * abs(level), 0.01 * fallen)
    away = np.flatnonzero(np.abs(smooth - level) > near)
    first = int(away[-1]) + 1 if len(away) else 0
    share = 1 - float(outline.x[first]) if first < len(outline) else 0.0
    if share < PLATEAU_SHARE or len(outline) - first < LEAST_FOR_SLOPE or falling(curve) is not None:
        return None
    # Noise alone is no evidence of a plateau: a change must be too small to matter even if it is just missed.
    rise, _ = slope(outline.x[first:], outline.values[first:])
    missed = 2 * outline.noise * (12 / (len(outline) - first)) ** 0.5
    if abs(rise) * share + missed > SMALL * max(abs(level), fallen):
        return None
    return Stretch(float(outline.steps[first]), curve.last_step, before, level, share)


def divergence(curve: Curve, least_rise: float = DIVERGED_RISE) -> Stretch | None:
    """The end of a curve from where it rose far over its best level and stayed there."""
    outline = curve.outline
    if len(curve) < LEAST_POINTS:
        return None
    smooth, level = outline.smooth, outline.last_level
    at = int(np.argmin(smooth))
    best = float(smooth[at])
    gained = max(0.0, float(np.median(outline.values[:3])) - best)
    rise = level - best
    if rise < max(6 * outline.noise, least_rise * abs(best), least_rise * gained) or rise <= 0:
        return None
    if _has_come_down(outline, best + rise / 2):
        return None
    calm = np.flatnonzero(outline.values <= best + 0.1 * rise)
    first = max(at, int(calm[-1]) if len(calm) else at)
    return Stretch(float(outline.steps[first]), curve.last_step, best, level, 1 - float(outline.x[first]))


def _has_come_down(outline: Outline, half_way: float) -> bool:
    """Whether one of the last blocks is back, which a run that diverged is not."""
    return bool(np.any(outline.values[-outline.tail :] < half_way))


def _find_falling(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(LEAST_POINTS)
    if curve is None or (found := falling(curve)) is None or divergence(curve) is not None:
        return
    is_live = evidence.run.status.is_live
    values = {
        "metric": curve.name,
        "before": found.before,
        "after": found.after,
        "step": shown_step(found.first_step),
    }
    note = Note(FALLING if is_live else FELL_TO_THE_END, values)
    severity = Severity.GOOD if is_live else Severity.INFO
    yield Finding("falling", severity, note, curve.name, found.first_step, found.last_step, found.after)


def _find_plateau(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(LEAST_FOR_PLATEAU)
    if curve is not None and (found := plateau(curve)) is not None:
        yield Finding(
            "plateau",
            Severity.INFO,
            plateau_note(curve, found),
            curve.name,
            found.first_step,
            found.last_step,
            found.after,
        )


def plateau_note(curve: Curve, found: Stretch) -> Note:
    values = {"level": found.after, "step": shown_step(found.first_step), "share": 100 * found.share}
    return Note(ON_PLATEAU, {"metric": curve.name, **values})


def _find_divergence(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(LEAST_POINTS)
    if curve is not None and (found := divergence(curve)) is not None:
        yield Finding(
            "divergence",
            Severity.PROBLEM,
            divergence_note(curve, found),
            curve.name,
            found.first_step,
            found.last_step,
            found.after,
        )


def divergence_note(curve: Curve, found: Stretch) -> Note:
    values = {"best": found.before, "level": found.after, "step": shown_step(found.first_step)}
    return Note(DIVERGED, {"metric": curve.name, **values})


STILL_FALLING = Rule(
    "falling",
    mark("Still falling"),
    mark(
        "The training loss falls surely over the last third of the run (Theil-Sen slope, Mann-Kendall test), "
        "by at least 2 % of its level."
    ),
    _find_falling,
)
PLATEAU = Rule(
    "plateau",
    mark("Plateau"),
    mark(
        "The training loss had fallen and has stayed at its last level, within its noise or 1 %, for at "
        "least the last 30 % of the run; a change of 5 % in that time can be ruled out."
    ),
    _find_plateau,
)
DIVERGENCE = Rule(
    "divergence",
    mark("Diverged"),
    mark(
        "The training loss rose over its best level by at least 25 %, by a quarter of what had been gained "
        "and by six times its noise, and all of its latest points stay there."
    ),
    _find_divergence,
)
