"""The model that an adapter is to be attached to."""

from dataclasses import dataclass
from typing import Any

from glmcore.models.catalog import Family


@dataclass(frozen=True, slots=True)
class Base:
    """What an adapter must fit."""

    name: str
    model: Any
    family: Family
    template_hash: str


def one_line(fault: Exception) -> str:
    """The beginning of a library's complaint, for a sentence of ours."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return " ".join(lines[:2]).rstrip(".") or type(fault).__name__
