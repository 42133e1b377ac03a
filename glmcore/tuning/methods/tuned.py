"""A model with the part of it that learns, and how that part is saved and read again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from glmcore.models.adapters.manifest import AdapterManifest, write_manifest
from glmcore.models.loaded import LoadedModel

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class TunedModel:
    """What a method makes of a loaded model.

    `model` is what the trainer trains; everything else in it is frozen. `save` writes the learnt weights into
    a folder (from a state dict where other processes hold parts of them), `load` reads them back; None leaves
    reading to the trainer.
    """

    loaded: LoadedModel
    model: Any
    save: Callable[[Path, StateDict | None], None]
    load: Callable[[Path], None] | None
    allows_checkpointing: bool = True  # of activations

    @property
    def num_trainable(self) -> int:
        return sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad)

    @property
    def num_parameters(self) -> int:
        return sum(weight.numel() for weight in self.model.parameters())


def freeze(model: nn.Module) -> None:
    """Nothing learns, the head included, but what a method adds afterwards."""
    for weight in model.parameters():
        weight.requires_grad_(False)


def write_adapter_manifest(
    folder: Path, loaded: LoadedModel, method: str, sizes: Mapping[str, int | float | bool]
) -> None:
    """What chat needs to offer the adapter for the right models."""
    manifest = AdapterManifest(
        base_model=loaded.name,
        family=loaded.family.name,
        template_hash=loaded.template_hash,
        method=method,
        sizes=sizes,
    )
    write_manifest(folder, manifest)
