"""Attaches an adapter: to a second module tree over the same weights, so the base model stays what it is."""

from typing import Any

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.base import Base
from glmcore.models.adapters.folders import PEFT_CONFIG, AdapterEntry
from glmcore.models.adapters.manifest import FILE, read_manifest
from glmcore.models.adapters.original_form import attach_original
from glmcore.models.adapters.peft_form import attach_peft


def attach_adapter(base: Base, entry: AdapterEntry) -> tuple[Any, bool]:
    """The model with an adapter over the weights of the base, and whether it can still be batched.

    Raises:
        ModelLoadError: the adapter is broken, or of another family, template or size.
    """
    check_manifest(base, entry)
    if (entry.path / PEFT_CONFIG).is_file():
        return attach_peft(base, entry.path)
    return attach_original(base, entry.path), False


def check_manifest(base: Base, entry: AdapterEntry) -> None:
    """Raises ModelLoadError where the adapter says that it was made for other prompts or another family."""
    manifest = read_manifest(entry.path)
    if manifest is None:
        return
    for what, found, expected in (
        ("family", manifest.family, base.family.name),
        ("template_hash", manifest.template_hash, base.template_hash),
    ):
        if found != expected:
            raise ModelLoadError(
                "{path}: the adapter was tuned with {what} {found}, but {model} has {expected}; load it on "
                "{base}, which it was made for.",
                path=entry.path / FILE,
                what=what,
                found=found,
                model=base.name,
                expected=expected,
                base=manifest.base_model,
            )
