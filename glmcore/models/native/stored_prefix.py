"""A prefix read from files: its sizes are read off its tensors, which must fit the model."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedConfig

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import weight_files
from glmcore.models.files.tensor_files import PREFIX, read_prefix
from glmcore.models.native.prefix import PrefixEncoder, cache_shape


def load_prefix(folder: Path, config: PreTrainedConfig, model: str) -> PrefixEncoder:
    """The prefix encoder in a folder's weight files.

    Args:
        config: of the model that it is for.
        model: that model's name, for the sentences.

    Raises:
        ModelLoadError: there is none, it is damaged, or it is of another model.
    """
    files = weight_files(folder)
    path = files[0] if len(files) == 1 else folder
    tensors = read_prefix(folder)
    _check_prefix(tensors, config, path, model)
    try:
        return _build(tensors, config)
    except (RuntimeError, KeyError) as fault:  # tensors that do not fit together
        raise ModelLoadError(
            "{path} is not a readable P-tuning checkpoint: {fault}. Copy it again.",
            path=path,
            fault=" ".join(str(fault).split()),
        ) from fault


def _build(tensors: Mapping[str, Tensor], config: PreTrainedConfig) -> PrefixEncoder:
    """A prefix encoder of the size that its tensors have, with their numbers."""
    embedding = tensors["embedding.weight"]
    projection = None
    if "trans.0.weight" in tensors:
        projection = (embedding.shape[1], tensors["trans.0.weight"].shape[0])
    num_layers, num_heads, head_size = cache_shape(config)
    encoder = PrefixEncoder(
        pre_seq_len=embedding.shape[0],
        num_layers=num_layers,
        num_heads=num_heads,
        head_size=head_size,
        projection=projection,
    )
    encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return encoder.eval()


def _check_prefix(tensors: Mapping[str, Tensor], config: PreTrainedConfig, path: Path, model: str) -> None:
    if "embedding.weight" not in tensors:
        raise ModelLoadError(
            "{path} holds no {name}, so it is no P-tuning checkpoint.",
            path=path,
            name=f"{PREFIX}embedding.weight",
        )
    for name, tensor in tensors.items():
        if tensor.ndim != (1 if name.endswith("bias") else 2) or not tensor.numel():
            raise ModelLoadError(
                "{path}: {name} has the shape {found}, which no prefix has; copy the file again.",
                path=path,
                name=f"{PREFIX}{name}",
                found=list(tensor.shape),
            )
    last = tensors.get("trans.2.weight")
    found = tensors["embedding.weight"].shape[1] if last is None else last.shape[0]
    num_layers, num_heads, head_size = cache_shape(config)
    expected = 2 * num_layers * num_heads * head_size
    if found != expected:
        raise ModelLoadError(
            "{path}: the prefix has {found} numbers per token, but {model} needs {expected} (2 × {layers} "
            "layers × {width}); it was tuned on another model.",
            path=path,
            found=found,
            model=model,
            expected=expected,
            layers=num_layers,
            width=num_heads * head_size,
        )
