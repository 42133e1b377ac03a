"""What all parsers of logs have in common: bytes in, rows out, and an account of what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from glmcore.core.notes import Note
from glmcore.curves.table import Block


@dataclass
class Problems:
    """What could not be read: how often, and where at first. Kept per kind, so that it never grows."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, template: str, example: str = "", count: int = 1) -> None:
        """Count a problem by its sentence, a text of the catalogue with {count} and {example}."""
        if count:
            self.counts[template] = self.counts.get(template, 0) + count
            self.examples.setdefault(template, example[:200])

    def notes(self) -> list[Note]:
        return [
            Note(template, {"count": count, "example": self.examples[template]})
            for template, count in self.counts.items()
        ]


class Parser(Protocol):
    """Turns what was appended to a log into rows.

    A parser remembers little between two calls, and all of that as JSON values in `memory`, so that reading
    can go on in another process from the cache.
    """

    problems: Problems
    memory: dict[str, Any]

    def __init__(self, memory: Mapping[str, Any] | None = None) -> None: ...

    def parse(self, data: bytes, *, at_end: bool) -> tuple[Block, int]:
        """Read rows from the front of `data`.

        Args:
            data: the log from where the last call ended; at most some MiB.
            at_end: nothing was appended for a while, so a last line without its line end is taken as it is.

        Returns:
            The rows, and how many bytes they took; the rest is offered again with what follows.
        """
        ...
