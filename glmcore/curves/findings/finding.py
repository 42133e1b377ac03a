"""What a rule says, and what a rule is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from glmcore.core.notes import Note
from glmcore.curves.findings.evidence import Evidence


class Severity(StrEnum):
    """How much a finding should worry its reader."""

    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about a curve.

    Attributes:
        rule: name of the rule that found it.
        note: the sentence, with its numbers.
        metric: the curve that it speaks of.
        first_step: where what it rests on begins; `last_step` where it ends.
        value: the number that says most, such as the best value; None where there is none.
    """

    rule: str
    severity: Severity
    note: Note
    metric: str
    first_step: float
    last_step: float
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Looks for one thing.

    Attributes:
        explanation: what it looks for and with which thresholds; a text of the catalogue, as the title is.
    """

    name: str
    title: str
    explanation: str
    find: Callable[[Evidence], Iterable[Finding]]


def shown_step(step: float) -> int | float:
    """A step as people write it: 400, not 400.0."""
    return int(step) if step.is_integer() and abs(step) < 1e15 else step


def shown_steps(steps: Iterable[float], most: int = 5) -> str:
    """A few steps, and dots where there are more."""
    texts = [str(shown_step(float(step))) for step in steps]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")
