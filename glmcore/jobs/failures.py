"""Why a job failed, in words: what its end usually means and what to do, by named rules on evidence.

Evidence is the error that the run told, its exit code, its state, and the last lines of its log.
"""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.jobs.failure_rules import OTHER, SAID, SIGNAL_RULES, TEXT_RULES, FailureRule
from glmcore.jobs.job import JobState

SHOWN_LINES, READ_LINES = 12, 60
LONGEST_READ = 500  # letters of a line that are looked at
EXIT_ERROR, BY_SIGNAL = 2, 128  # a shell adds the number of the signal
ATTEMPT = re.compile(r"=== attempt \d+")  # the supervisor's line before each
OWN_FAULT = "The run broke off, which is a fault of this program"  # how such a reason begins
LONGEST_TEMPLATE = 20_000
# What our sentences have between braces. Anything else could make a text of gigabytes, or look into objects.
_FIELD = re.compile(r"\{[A-Za-z_]\w*(?:![rs])?(?::[-+,]?\.?\d?[a-z%]?)?\}|\{\{|\}\}")

GONE = mark("Its process is gone, and nobody saw how it ended.")
SIGNALLED = mark("Its process was ended by the signal {signal}.")
ENDED = mark("Its process ended with the exit code {code}.")
LAST_LINE = mark("Its log ends with: {line}")


@dataclass(frozen=True, slots=True)
class Failure:
    """What to tell about a job that failed or got lost.

    Attributes:
        rule: the name of the rule that was found to hold.
        sentence: what happened.
        meaning: what that usually means and what to do; None where the sentence says it.
        lines: the end of the log, of the last attempt.
    """

    rule: str
    sentence: Note | GlmcoreError
    meaning: Note | None
    lines: tuple[str, ...] = ()


def explain_failure(
    exit_code: int | None, reason: GlmcoreError | None, last_lines: Sequence[str], state: JobState
) -> Failure:
    """Put a failure into words.

    Args:
        exit_code: negative for a signal; None where nobody saw it.
        reason: the error that the run told, if it could.
        last_lines: of its log; those of earlier attempts are passed over.
    """
    lines = _of_last_attempt(last_lines)
    rule = _rule_for(exit_code, reason, lines, state)
    meaning = Note(rule.meaning) if rule.meaning else None
    shown = tuple(lines[-SHOWN_LINES:])
    return Failure(rule.name, reason or _sentence(exit_code, lines), meaning, shown)


def read_reason(stored: Any, levels: int = 3) -> GlmcoreError | None:
    """The error that a run told, as `GlmcoreError.to_dict()` stored it; None where that is not what it is.

    Args:
        levels: of errors inside one another that are read.
    """
    if not isinstance(stored, Mapping) or not levels:
        return None
    template, values = stored.get("template"), stored.get("values")
    if not isinstance(template, str) or not isinstance(values, Mapping):
        return None
    rest = _FIELD.sub("", template[:LONGEST_TEMPLATE])
    if not template or len(template) > LONGEST_TEMPLATE or "{" in rest or "}" in rest:
        return None
    plain = {
        str(name): value if isinstance(value, (str, int, float)) else read_reason(value, levels - 1)
        for name, value in values.items()
        if name not in ("self", "template")
    }
    try:
        error = GlmcoreError(template, **plain)
        str(error)
    except (ValueError, LookupError, TypeError):
        return None
    return error


def _rule_for(
    exit_code: int | None, reason: GlmcoreError | None, lines: Sequence[str], state: JobState
) -> FailureRule:
    """What the run said itself counts most, then a signal that gave it no time to speak, then its log."""
    said = str(reason) if reason else ""
    if found := _by_text(said.splitlines()):
        return found
    if said and not said.startswith(OWN_FAULT):
        return SAID
    number = _signal_of(exit_code)
    for rule in SIGNAL_RULES:
        if number in rule.signals or state in rule.states:
            return rule
    if found := _by_text(lines):
        return found
    if exit_code == EXIT_ERROR and lines:
        return SAID
    return OTHER


def _by_text(lines: Sequence[str]) -> FailureRule | None:
    text = "\n".join(line[:LONGEST_READ] for line in lines[-READ_LINES:])
    return next((rule for rule in TEXT_RULES if rule.pattern and rule.pattern.search(text)), None)


def _of_last_attempt(lines: Sequence[str]) -> list[str]:
    begins = [at for at, line in enumerate(lines) if ATTEMPT.match(line)]
    kept = list(lines[begins[-1] + 1 :] if begins else lines)
    return [line for line in kept if line.strip()]


def _sentence(exit_code: int | None, lines: Sequence[str]) -> Note:
    if exit_code is None:
        return Note(GONE)
    if exit_code == EXIT_ERROR and lines:
        return Note(LAST_LINE, {"line": lines[-1]})
    number = _signal_of(exit_code)
    if number is None:
        return Note(ENDED, {"code": exit_code})
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    return Note(SIGNALLED, {"signal": name})


def _signal_of(exit_code: int | None) -> int | None:
    if exit_code is None:
        return None
    number = -exit_code if exit_code < 0 else exit_code - BY_SIGNAL
    return number if 0 < number <= max(signal.Signals) else None
