"""What evaluations say: since when a run overfits, which checkpoint is best, and that there are none."""

from collections.abc import Iterator

import numpy as np

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Curve, Evidence, is_loss
from glmcore.curves.findings.finding import Finding, Rule, Severity, shown_step
from glmcore.curves.findings.robust import noise, running_median
from glmcore.curves.metric_names import Direction, Part, direction_of, split_part
from glmcore.curves.numbers import FloatArray

LEAST_EVALUATIONS = 4
FEW_EVALUATIONS = 8  # too few to tell their noise
LEAST_RISE, LEAST_RISE_OF_FEW = 0.02, 0.05  # of the best
LEAST_ORDER = 0.6  # Kendall's tau of the evaluations since the best
CLEARLY_WORSE, FAR_WORSE = 5.0, 1000.0  # percent
LEAST_WITHOUT = 20
MOST_METRICS = 8

OVERFITTING = mark(
    "{metric} has risen since step {step} ({best:.4g} to {last:.4g}) while {train} went on falling: "
    "overfitting. The best checkpoint is near step {step}."
)
OVERFITTING_LEVEL = mark(
    "{metric} has risen since step {step} ({best:.4g} to {last:.4g}) while {train} did not rise: "
    "overfitting. The best checkpoint is near step {step}."
)
BEST_IS_LAST = mark("{metric} is best at the last evaluation: {best:.4g} at step {step}.")
BEST_IS_EARLIER = mark(
    "{metric} is best at step {step}: {best:.4g}. The last, {last:.4g} at step {last_step}, "
    "is {worse:.1f} % worse; take the checkpoint near step {step}."
)
BEST_BY_FAR_IS_EARLIER = mark(
    "{metric} is best at step {step}: {best:.4g}. The last, {last:.4g} at step {last_step}, is far worse; "
    "take the checkpoint near step {step}."
)
NO_EVALUATION = mark("The run has no evaluation: whether it overfits cannot be told.")


def _rises_since(values: FloatArray) -> int | None:
    """The place of the best of a loss' evaluations, where those after it surely rise."""
    smooth = running_median(values, 3) if len(values) >= FEW_EVALUATIONS else values
    best = int(np.argmin(smooth))
    after = smooth[best:]
    if len(after) < 3:
        return None
    last = float(np.median(values[-2:]))
    is_few = len(values) < FEW_EVALUATIONS
    least = (LEAST_RISE_OF_FEW if is_few else LEAST_RISE) * abs(float(smooth[best]))
    if last - float(smooth[best]) < max(least, 0.0 if is_few else 4 * noise(values)):
        return None
    first, second = np.triu_indices(min(len(after), 200), 1)
    thinned = after[np.linspace(0, len(after) - 1, min(len(after), 200)).astype(int)]
    order = float(np.sign(thinned[second] - thinned[first]).mean())
    if order < (1.0 if is_few else LEAST_ORDER):
        return None
    nearby = slice(max(0, best - 1), best + 2) if not is_few else slice(best, best + 1)
    return nearby.start + int(np.argmin(values[nearby]))


def _overfitting_text(train: Curve, step: float) -> str | None:
    """What the training loss did since a step, in the sentence on overfitting; None where it rose, too."""
    outline = train.outline
    at = int(np.clip(np.searchsorted(outline.steps, step), 1, len(outline) - 1))
    around = float(np.median(outline.values[max(0, at - 2) : at + 2]))
    fall, matters = around - outline.last_level, max(outline.noise, 0.005 * abs(around))
    if fall < -matters:
        return None
    return OVERFITTING if fall > matters else OVERFITTING_LEVEL


def _find_overfitting(evidence: Evidence) -> Iterator[Finding]:
    train = evidence.loss(LEAST_EVALUATIONS)
    if train is None:
        return
    for curve in filter(is_loss, evidence.evaluations(LEAST_EVALUATIONS)[:MOST_METRICS]):
        outline = curve.outline
        at = _rises_since(outline.values)
        if at is None:
            continue
        step = float(outline.steps[at])
        text = _overfitting_text(train, step)
        if text is None:
            continue
        best, last = float(outline.values[at]), float(curve.values[-1])
        values = {"metric": curve.name, "train": train.name, "best": best, "last": last}
        note = Note(text, {**values, "step": shown_step(step)})
        yield Finding("overfitting", Severity.WARNING, note, curve.name, step, curve.last_step, best)


def _find_best(evidence: Evidence) -> Iterator[Finding]:
    for curve in evidence.evaluations(2)[:MOST_METRICS]:
        is_lower = direction_of(curve.name) is Direction.LOWER
        at = int(np.argmin(curve.values) if is_lower else np.argmax(curve.values))
        best, last = float(curve.values[at]), float(curve.values[-1])
        if bool(np.all(curve.values == best)):
            continue
        step = float(curve.steps[at]) if best != last else curve.last_step
        values = {"metric": curve.name, "best": best, "step": shown_step(step)}
        if best == last:
            note, severity = Note(BEST_IS_LAST, values), Severity.GOOD
        else:
            values |= {"last": last, "last_step": shown_step(curve.last_step)}
            worse = 100 * abs(last - best) / abs(best) if best else float("inf")
            text = BEST_IS_EARLIER if worse < FAR_WORSE else BEST_BY_FAR_IS_EARLIER
            note = Note(text, {**values, "worse": min(worse, FAR_WORSE)})
            severity = Severity.WARNING if worse > CLEARLY_WORSE else Severity.INFO
        yield Finding("best", severity, note, curve.name, step, curve.last_step, best)


def _find_no_evaluation(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(LEAST_WITHOUT)
    if curve is None or evidence.run.status.is_live:  # its first evaluation may still come
        return
    if all(split_part(name)[1] is Part.TRAIN for name in evidence.names):
        note = Note(NO_EVALUATION)
        yield Finding("unevaluated", Severity.INFO, note, curve.name, curve.first_step, curve.last_step)


OVERFITTING_SINCE = Rule(
    "overfitting",
    mark("Overfitting"),
    mark(
        "The loss of the evaluations has risen since its best by at least 2 % and four times its noise (of "
        "fewer than 8 evaluations: by 5 %, each over the one before), while the training loss fell or stayed."
    ),
    _find_overfitting,
)
BEST = Rule(
    "best",
    mark("Best evaluation"),
    mark("The best of at least 2 evaluations, and by how much the last is worse; a warning above 5 %."),
    _find_best,
)
UNEVALUATED = Rule(
    "unevaluated",
    mark("No evaluation"),
    mark("A run that is over has at least 20 points of the training loss and no metric of an evaluation."),
    _find_no_evaluation,
)
