"""Which answers are to be taught, and how they are divided: what a person chooses for a training set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.history.filters import ConversationFilter
from glmcore.history.judgements import MOST_STARS

AnswerKind = Literal["up", "stars", "repaired", "unrated"]

KINDS: Mapping[str, str] = {
    "up": mark("judged good"),
    "stars": mark("with enough stars"),
    "repaired": mark("repaired"),
    "unrated": mark("not judged"),
}
# What numbers may be: name -> lowest and highest.
RANGES: Mapping[str, tuple[float, float]] = {
    "min_stars": (1, MOST_STARS),
    "validation": (0.0, 0.9),
    "test": (0.0, 0.9),
    "seed": (0, 2**32 - 1),
    "max_chars": (100, 1_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetChoice:
    """What goes into a training set. An answer judged bad is never taught, but its repair is.

    Attributes:
        filter: which conversations; every branch of them is looked at.
        kinds: which of their answers; being of one kind is enough. A repaired answer teaches its repair.
        min_stars: from which on the kind `stars` takes an answer.
        validation, test: shares of the conversations kept apart from training.
        seed: another one divides the conversations differently.
        max_chars: a longer row is left out.
    """

    filter: ConversationFilter = field(default_factory=ConversationFilter)
    kinds: tuple[AnswerKind, ...] = ("up", "stars", "repaired")
    min_stars: int = 4
    validation: float = 0.1
    test: float = 0.0
    seed: int = 0
    max_chars: int = 100_000

    def __post_init__(self) -> None:
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ConfigError(
                "kinds of answers: found {found!r}; expected at least one of {kinds}.",
                found=", ".join(map(str, self.kinds)),
                kinds=", ".join(KINDS),
            )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            number = int if isinstance(low, int) else (int, float)
            if isinstance(value, bool) or not isinstance(value, number) or not low <= value <= high:
                raise ConfigError(
                    "{name} is {value!r}; expected a number from {low} to {high}.",
                    name=name,
                    value=value,
                    low=low,
                    high=high,
                )
        if self.validation + self.test > 0.9:
            raise ConfigError(
                "validation and test take {share:.0%} of the conversations; leave at least 10 % to train on.",
                share=self.validation + self.test,
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainingSetChoice":
        """Read back what `to_dict` gave; keys of a newer version are ignored."""
        chosen = _known(ConversationFilter, values["filter"])
        return cls(**_known(cls, values) | {"filter": ConversationFilter(**chosen)})


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a dataclass, with the lists of JSON as tuples."""
    names = {field.name for field in fields(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in names
    }
