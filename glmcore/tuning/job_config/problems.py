"""What can be wrong with a job file, and that all of it is said at once."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from glmcore.core.errors import ConfigError

LONGEST_SHOWN = 80  # characters of a value or name in a sentence


@dataclass(frozen=True, slots=True)
class Place:
    """Where a problem is: a file, or the argument that was given, and the field, for a form."""

    file: str
    key: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key) if part)


class JobConfigError(ConfigError):
    """Everything that is wrong with a job, one line each; as values, so that each can be translated."""

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        named = {f"problem_{number}": problem for number, problem in enumerate(problems)}
        super().__init__("\n".join(f"{{{name}}}" for name in named), **named)
        self.problems = tuple(problems)


def shown(value: Any) -> str:
    """A value as it is put into a sentence, however long it is."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name[:LONGEST_SHOWN], known, n=1)), None)


def names_in(folder: Path) -> list[str]:
    """The names to look for a near one among; none where the folder cannot be read."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []
