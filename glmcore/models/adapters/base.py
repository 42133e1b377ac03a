"""The model that an adapter is to be attached to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmcore.models.catalog import Family

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Base:
    """What an adapter must fit."""

    name: str
    model: "PreTrainedModel"
    family: Family
    template_hash: str
