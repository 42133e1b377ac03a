"""How a measurement is said: a ratio, what it must reach, and the figures it was made of."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Measurement:
    """A ratio of two figures of the same run; `at_least` or `at_most` is the target, if there is one."""

    name: str
    ratio: float
    detail: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        above = self.at_least is None or self.ratio >= self.at_least
        return above and (self.at_most is None or self.ratio <= self.at_most)

    def line(self) -> str:
        target = f">= {self.at_least}" if self.at_least is not None else f"<= {self.at_most}"
        target = "-" if self.at_least is None and self.at_most is None else target
        verdict = "ok" if self.is_met else "MISSED"
        return f"{self.name:<52} {self.ratio:8.2f}  {target:>8}  {verdict:<6}  {self.detail}"


def alternate(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure, taken in turns so that a noisy neighbour meets all of them."""
    values: list[list[float]] = [[] for _ in measures]
    for _round in range(rounds):
        for place, measure in zip(values, measures, strict=True):
            place.append(measure())
    return [median(place) for place in values]
