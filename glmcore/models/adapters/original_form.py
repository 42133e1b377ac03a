"""The P-tuning checkpoints of 2023: a prefix for every layer, its sizes read off its tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedConfig

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.base import Base, one_line
from glmcore.models.adapters.folders import PREFIX
from glmcore.models.catalog import named_family
from glmcore.models.files.checkpoint import read_json
from glmcore.models.files.tensor_files import iter_tensors
from glmcore.models.native.loader import new_prefix
from glmcore.models.native.prefix import attach_prefix
from glmcore.models.native.sharing import on_same_weights


def attach_original(base: Base, folder: Path) -> Any:
    """The model with a prefix, whose sizes are read off the tensors: the checkpoint's config may err."""
    _check_family(base, folder)
    tensors = {
        name.removeprefix(PREFIX): tensor for name, tensor in iter_tensors(folder) if name.startswith(PREFIX)
    }
    config = base.model.config
    _check_prefix(tensors, config, folder, base.name)
    copy = on_same_weights(base.model)
    try:
        encoder = new_prefix(tensors, config)
    except RuntimeError as fault:  # tensors that do not fit together
        raise ModelLoadError(
            "{path} is not a readable P-tuning checkpoint: {fault}. Copy it again.",
            path=folder,
            fault=one_line(fault),
        ) from fault
    attach_prefix(copy.base_model, encoder)
    return copy


def _check_family(base: Base, folder: Path) -> None:
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


def _check_prefix(tensors: Mapping[str, Tensor], config: PreTrainedConfig, folder: Path, model: str) -> None:
    if "embedding.weight" not in tensors:
        raise ModelLoadError(
            "{path} holds no {name}, so it is no P-tuning checkpoint.",
            path=folder,
            name=f"{PREFIX}embedding.weight",
        )
    for name, tensor in tensors.items():
        if tensor.ndim != (1 if name.endswith("bias") else 2) or not tensor.numel():
            raise ModelLoadError(
                "{path}: {name} has the shape {found}, which no prefix has; copy the file again.",
                path=folder,
                name=f"{PREFIX}{name}",
                found=list(tensor.shape),
            )
    last = tensors.get("trans.2.weight")
    found = tensors["embedding.weight"].shape[1] if last is None else last.shape[0]
    num_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    expected = 2 * config.num_hidden_layers * num_heads * head_size
    if found != expected:
        raise ModelLoadError(
            "{path}: the prefix has {found} numbers per token, but {model} needs {expected} (2 × {layers} "
            "layers × {width}); it was tuned on another model.",
            path=folder,
            found=found,
            model=model,
            expected=expected,
            layers=config.num_hidden_layers,
            width=num_heads * head_size,
        )
