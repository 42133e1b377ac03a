"""A .gguf file: its header checked before anything is allocated, then its weights as an ordinary model.

The header is read with every length held against the file's size, so that flipped bytes end in a sentence and
not in an endless loop. The data itself carries no checksum; what can be seen of damage there are weights that
are not finite. Format: ggml's docs/gguf.md, versions 2 and 3.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import Checkpoint

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MAX_DIMENSIONS = 4
# What is kept of the metadata, under the names of a Hugging Face config; a key begins with the architecture.
CONFIG_KEYS = {
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor as the header announces it."""

    kind: str  # its number format by ggml's name: "F16", "Q4_1"
    count: int  # of numbers


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a .gguf file says of itself; long lists, such as its vocabulary, are None."""

    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]


class _DamageError(Exception):
    """Something in the header that cannot be."""


@dataclass(slots=True)
class _Reader:
    """Reads little-endian values, never past the end of the file."""

    file: BinaryIO
    size: int

    def values(self, form: str, count: int = 1) -> tuple[Any, ...]:
        form = f"<{count}{form}"
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def take(self, count: int) -> bytes:
        where = self.file.tell()
        if count > self.size - where:
            raise _DamageError(f"byte {where} announces {count} bytes, {self.size - where} are left")
        return self.file.read(count)

    def string(self) -> str:
        return self.take(self.values("Q")[0]).decode("utf-8")

    def value(self, kind: int) -> Any:
        """One metadata value; an array is read through, and given back only when it is short."""
        if kind in SCALARS:
            return self.values(SCALARS[kind])[0]
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            raise _DamageError(f"byte {self.file.tell()} has a value of the unknown type {kind}")
        kind, count = self.values("IQ")
        if kind in SCALARS:
            return self.values(SCALARS[kind], count)
        if kind != STRING or count > self.size:
            raise _DamageError(f"byte {self.file.tell()} has an array of {count} values of type {kind}")
        for _ in range(count):
            self.string()
        return None


def read_gguf(path: Path) -> Checkpoint:
    """A .gguf file as a model to be loaded. Raises as `read_header`."""
    header = read_header(path)
    # The weights are unpacked when they are loaded, so each counts as a plain number.
    num_weights = sum(tensor.count for tensor in header.tensors.values())
    return Checkpoint(path, _to_config(header.metadata), num_weights=num_weights)


def read_header(path: Path) -> GgufHeader:
    """Check the header of a .gguf file.

    Raises:
        ModelLoadError: the file is damaged, truncated, or one part of several.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(file, path.stat().st_size)
            metadata, num_tensors = _read_metadata(reader)
            tensors = _read_tensors(reader, num_tensors, metadata)
    except (_DamageError, ValueError, struct.error) as fault:
        raise ModelLoadError(
            "{path} is not a readable GGUF file ({fault}); copy or download it again.", path=path, fault=fault
        ) from fault
    except OSError as fault:
        raise ModelLoadError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror) from fault
    if metadata.get("split.count", 1) > 1:
        raise ModelLoadError(
            "{path} is one of {count} parts; join them with llama-gguf-split --merge first.",
            path=path,
            count=metadata["split.count"],
        )
    return GgufHeader(metadata, tensors)


def _read_metadata(reader: _Reader) -> tuple[dict[str, Any], int]:
    if reader.take(4) != MAGIC:
        raise _DamageError("it does not begin with GGUF")
    version, num_tensors, num_values = reader.values("I")[0], *reader.values("Q", 2)
    if version not in VERSIONS:
        raise _DamageError(f"version {version}, expected {' or '.join(map(str, VERSIONS))}")
    if max(num_tensors, num_values) > reader.size:
        raise _DamageError(f"{num_tensors} tensors and {num_values} values are announced")
    metadata = {}
    for _ in range(num_values):
        key = reader.string()
        metadata[key] = reader.value(reader.values("I")[0])
    if not isinstance(metadata.get("general.architecture"), str):
        raise _DamageError("it names no general.architecture")
    return metadata, num_tensors


def _read_tensors(reader: _Reader, num_tensors: int, metadata: Mapping[str, Any]) -> dict[str, GgufTensor]:
    """The tensors by name, each one's place held against the file's size."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    places, tensors = [], {}
    for _ in range(num_tensors):
        name = reader.string()
        (num_dimensions,) = reader.values("I")
        if num_dimensions > MAX_DIMENSIONS:
            raise _DamageError(f"tensor {name} has {num_dimensions} dimensions")
        shape = reader.values("Q", num_dimensions)
        kind, offset = GGMLQuantizationType(reader.values("I")[0]), reader.values("Q")[0]
        block, block_bytes = GGML_QUANT_SIZES[kind]
        tensors[name] = GgufTensor(kind.name, prod(shape))
        places.append((offset + prod(shape) // block * block_bytes, name))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise _DamageError(f"general.alignment is {alignment}")
    start = -(-reader.file.tell() // alignment) * alignment
    end, name = max(places, default=(0, ""))
    if start + end > reader.size:
        raise _DamageError(f"tensor {name} ends at byte {start + end}, the file at {reader.size}")
    return tensors


def _to_config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    architecture = metadata["general.architecture"]
    config: dict[str, Any] = {"model_type": architecture}
    for key, name in CONFIG_KEYS.items():
        value = metadata.get(f"{architecture}.{key}")
        if isinstance(value, int):
            config[name] = value
    return config


def check_finite(model: Any, path: Path) -> None:
    """Refuse unpacked weights that are not numbers: a damaged scale in the data becomes one of these."""
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelLoadError(
                "{path} is damaged: the weights of {tensor} are not finite; copy or download it again.",
                path=path,
                tensor=name,
            )
