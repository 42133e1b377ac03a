"""Things worth knowing that are no errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """A text of the catalogue and its values, kept apart so that it can be said in any language."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.template.format(**self.values)
