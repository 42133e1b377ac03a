"""Which models the openvino engine can have. Cheap enough for every draw of a page."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from glmcore.core.errors import GlmcoreError, ModelLoadError
from glmcore.core.settings import Settings
from glmcore.models.catalog import find_family
from glmcore.models.files.checkpoint import OPENVINO_GRAPH, OPENVINO_WEIGHTS, glance_at_json
from glmcore.models.files.gguf_file import GgufHeader, read_header
from glmcore.models.openvino.gguf_layout import (
    ARCHITECTURES,
    HEAD,
    KNOWN_KEYS,
    NEEDED_KEYS,
    NEUTRAL,
    gguf_of,
    head_size,
    tensor_names,
    value_of,
)
from glmcore.models.sources import ModelEntry, embedded_path


def reason_against(entry: ModelEntry, settings: Settings) -> GlmcoreError | None:
    """Why the openvino engine cannot have a model; None where it can."""
    path = embedded_path(settings) if entry.kind == "embedded" else entry.path
    if entry.kind == "embedded" and not entry.is_ready:
        return None
    if entry.kind in ("gguf", "embedded") and path is not None and (gguf := gguf_of(path)) is not None:
        return _reason_against_gguf(gguf)
    if entry.kind == "folder" and path is not None and (path / OPENVINO_GRAPH).is_file():
        return _reason_against_folder(path)
    return ModelLoadError(
        "{name} is neither a .gguf file nor an OpenVINO folder, which are what the openvino engine reads.",
        name=entry.name,
    )


def _reason_against_folder(folder: Path) -> GlmcoreError | None:
    for name in (OPENVINO_WEIGHTS, "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            return ModelLoadError(
                "{folder} has no {file}, which the openvino engine needs; copy it from where the model came "
                "from.",
                folder=folder,
                file=name,
            )
    family = find_family(glance_at_json(folder / "config.json"), folder)
    if family.is_original:
        return ModelLoadError(
            "{folder} is a {family} model, whose prompts the openvino engine cannot make.",
            folder=folder,
            family=family.title,
        )
    return None


def _reason_against_gguf(path: Path) -> GlmcoreError | None:
    try:
        stat = path.stat()
    except OSError as fault:
        return ModelLoadError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror)
    return _judged(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _judged(path: Path, size: int, mtime_ns: int) -> GlmcoreError | None:
    """The reason against a file as it was at that time; a long vocabulary takes tenths of a second."""
    try:
        header = read_header(path)
    except ModelLoadError as fault:
        return fault
    architecture = header.metadata["general.architecture"]
    if architecture not in ARCHITECTURES:
        return ModelLoadError(
            "{path} has the architecture {found}; of GGUF files the openvino engine reads {known}.",
            path=path,
            found=architecture,
            known=", ".join(ARCHITECTURES),
        )
    trouble = _unknown_key(header.metadata) or _unknown_tensor(header)
    if trouble is None:
        return None
    return ModelLoadError(
        "{path} cannot be read rightly by the openvino engine, because of {what} in it.",
        path=path,
        what=trouble,
    )


def _unknown_key(metadata: Mapping[str, Any]) -> str | None:
    """What the header says of the model that the reader would ignore, or does not say although it has to."""
    architecture = metadata["general.architecture"]
    for name, value in metadata.items():
        key = name.removeprefix(f"{architecture}.")
        if key != name and (isinstance(value, tuple) if key in KNOWN_KEYS else value not in NEUTRAL):
            return f"{name} = {value}"
    for key in NEEDED_KEYS:
        value = value_of(metadata, key)
        if not isinstance(value, (int, float)) or not value > 0:
            return f"{architecture}.{key} = {value}"
    for key in ("rope.dimension_count", "attention.value_length"):
        if value_of(metadata, key) not in (None, head_size(metadata)):
            return f"{architecture}.{key} = {value_of(metadata, key)}"
    return None


def _unknown_tensor(header: GgufHeader) -> str | None:
    if (layers := value_of(header.metadata, "block_count")) > len(header.tensors):
        return f"{layers} layers and {len(header.tensors)} tensors"
    expected = tensor_names(header.metadata)
    differing = sorted((header.tensors.keys() ^ expected) - {HEAD})
    if differing:
        return differing[0]
    kinds = {tensor.kind: name for name, tensor in header.tensors.items()}
    return next((f"{name} ({kind})" for kind, name in kinds.items() if not _can_unpack(kind)), None)


def _can_unpack(kind: str) -> bool:
    """Whether the weights of a number format can be compared with what the reader made of them."""
    import numpy as np
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    found = GGMLQuantizationType[kind]
    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[found][1]), dtype=np.uint8), found)
    except NotImplementedError:
        return False
    return True
