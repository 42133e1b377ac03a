"""Folders in the form of 2023, and Glm folders to be quantized: opened, measured, loaded."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from glmcore.core.errors import ConfigError, ModelLoadError
from glmcore.models.catalog import Family
from glmcore.models.files.checkpoint import Checkpoint, read_json
from glmcore.models.files.number_formats import NUMBER_BYTES, loaded_number_bytes
from glmcore.models.files.offload import OffloadFolder
from glmcore.models.files.tensor_files import PREFIX, TensorInfo
from glmcore.models.native.architectures import config_of, convert_tensor, fused_rows
from glmcore.models.native.loader import SCALE, Source, build_model, is_quantizable
from glmcore.models.native.prefix import attach_prefix
from glmcore.models.native.stored_prefix import load_prefix

BITS = (4, 8)


def open_source(
    checkpoint: Checkpoint, tensors: Mapping[str, TensorInfo], family: Family, bits: int | None = None
) -> Source:
    """Check everything but the numbers. `tensors` are those of the checkpoint's folder.

    Raises:
        ModelLoadError: config or files are of no use.
        ConfigError: the weights are quantized already, or cannot be in so many bits.
    """
    assert family.weights is not None
    values = checkpoint.config
    stored_bits = values.get("quantization_bit") or None
    if stored_bits is not None and (type(stored_bits) is not int or stored_bits not in BITS):
        raise ModelLoadError(
            "{path}: quantization_bit is {found!r}, expected 4 or 8; copy the file again.",
            path=checkpoint.path / "config.json",
            found=stored_bits,
        )
    if bits and stored_bits:
        raise ConfigError(
            "{path} holds weights of {stored} bits already, which cannot be quantized again to {bits}; load "
            "it without quantization_bits, or name the folder with the full weights.",
            path=checkpoint.path,
            stored=stored_bits,
            bits=bits,
        )
    config = config_of(family, values, checkpoint.path)
    config.pre_seq_len = None  # a prefix is attached where there are tensors of one
    for name, info in tensors.items():
        rows = fused_rows(family.weights, name, config)
        if rows is not None and info.shape[:1] != (rows,):
            raise ModelLoadError(
                "{path}: the weights {name} have the shape {found}, config.json expects {expected} rows "
                "(queries, keys and values); config and weights are of different models.",
                path=info.file,
                name=name,
                found=list(info.shape),
                expected=rows,
            )
    return Source(checkpoint.path, family.weights, config, tensors, stored_bits)


def memory_sizes(source: Source, dtype: str, bits: int | None) -> dict[str, int]:
    """Bytes in memory of every tensor, under the loaded model's names."""
    sizes: dict[str, int] = {}
    for stored_name, empty in source.empty_tensors():
        stored = source.tensors[stored_name].dtype
        for name, tensor in convert_tensor(source.weights, stored_name, empty, source.config):
            if bits and tensor.is_floating_point() and is_quantizable(name, tensor.shape):
                sizes[name.removesuffix("weight") + SCALE] = tensor.shape[0] * NUMBER_BYTES[dtype]
                sizes[name] = tensor.numel() * bits // 8
            else:
                loaded = "float32" if name.startswith(PREFIX) else dtype  # as `load_prefix` makes it
                sizes[name] = tensor.numel() * loaded_number_bytes(stored, loaded)
    return sizes


def load_original(
    source: Source,
    dtype: str,
    device_map: Mapping[str, Any],
    bits: int | None,
    offload: OffloadFolder,
    report: Callable[[float], None],
) -> PreTrainedModel:
    """The model with its generation config, and with the prefix that was saved in the same files.

    Raises:
        ModelLoadError: as `build_model`.
    """
    model = build_model(source, getattr(torch, dtype), device_map, bits, offload, report)
    model.generation_config = generation_config_of(source)
    if any(name.startswith(PREFIX) for name in source.tensors):
        attach_prefix(model.base_model, load_prefix(source.folder, source.config, source.folder.name))
    return model


def generation_config_of(source: Source) -> GenerationConfig:
    """The folder's own; what it leaves open is the config's."""
    path = source.folder / "generation_config.json"
    said = read_json(path) if path.is_file() else {}
    config = source.config
    ends = said.get("eos_token_id", config.eos_token_id)
    pad = said.get("pad_token_id", config.pad_token_id)
    sampling = {name: said[name] for name in ("temperature", "top_p", "top_k", "do_sample") if name in said}
    return GenerationConfig(eos_token_id=ends, pad_token_id=pad, bos_token_id=config.bos_token_id, **sampling)
