"""How slow work tells how far it is: a stage in words and, where it is known, the part that is done."""

from collections.abc import Callable

# (stage as an English text marked for the catalogue, fraction 0..1 or None where it cannot be known)
Progress = Callable[[str, float | None], None]


def ignore_progress(stage: str, fraction: float | None) -> None:
    """The progress of work that nobody watches."""
