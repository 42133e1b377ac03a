"""What a resume replaced: points that were computed a second time."""

from collections.abc import Iterator

from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Evidence
from glmcore.curves.findings.finding import Finding, Rule, Severity, shown_step

REPEATED = mark(
    "After a resume {count} points of {metric}, from step {step} to step {last}, were replaced by later ones."
)


def _find_repeated(evidence: Evidence) -> Iterator[Finding]:
    curve = evidence.loss(at_least=0)
    left = curve.series.superseded if curve is not None else None
    if curve is None or left is None or not len(left):
        return
    first, last = float(left.steps.min()), float(left.steps.max())
    values = {"metric": curve.name, "count": len(left), "step": shown_step(first), "last": shown_step(last)}
    note = Note(REPEATED, values)
    yield Finding("repeated", Severity.INFO, note, curve.name, first, last, float(len(left)))


REPEATED_POINTS = Rule(
    "repeated",
    mark("Repeated after a resume"),
    mark("Points of the training loss that a resumed run computed again; the later ones count."),
    _find_repeated,
)
