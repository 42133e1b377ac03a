"""The P-tuning checkpoints of 2023: a prefix for every layer, its sizes read off its tensors."""

from pathlib import Path
from typing import Any

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.base import Base
from glmcore.models.catalog import named_family
from glmcore.models.files.checkpoint import read_json
from glmcore.models.native.prefix import attach_prefix
from glmcore.models.native.sharing import on_same_weights
from glmcore.models.native.stored_prefix import load_prefix


def attach_original(base: Base, folder: Path) -> Any:
    """The model with a prefix, whose sizes are read off the tensors: the checkpoint's config may err.

    Raises:
        ModelLoadError: the checkpoint is broken, or of another family or size.
    """
    check_family(base, folder)
    encoder = load_prefix(folder, base.model.config, base.name)
    copy = on_same_weights(base.model)
    attach_prefix(copy.base_model, encoder)
    return copy


def check_family(base: Base, folder: Path) -> None:
    """Raises ModelLoadError where a checkpoint's config names another family."""
    if base.family.weights is None:
        raise ModelLoadError(
            "{path} is a P-tuning checkpoint of a ChatGLM model, but {model} is of the family {family}.",
            path=folder,
            model=base.name,
            family=base.family.title,
        )
    if not (folder / "config.json").is_file() or base.family.weights == "glm":
        return
    values = read_json(folder / "config.json")
    found = named_family(values, folder)
    if values.get("model_type") == "chatglm" and found is not None and found != base.family:
        raise ModelLoadError(
            "{path} was tuned on {found}, but {model} is of the family {expected}; load it on the model it "
            "was made for.",
            path=folder / "config.json",
            found=found.title,
            model=base.name,
            expected=base.family.title,
        )
