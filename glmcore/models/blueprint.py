"""All that is known of a model before its weights are read: family, number format, bytes of every tensor."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcore.core.errors import ConfigError
from glmcore.models.catalog import Family, find_family
from glmcore.models.files.checkpoint import Checkpoint, read_checkpoint
from glmcore.models.files.gguf_file import read_gguf
from glmcore.models.files.number_formats import FLOATS, LOADED_FORMATS, NUMBER_BYTES, loaded_number_bytes
from glmcore.models.files.tensor_files import TensorInfo, list_tensors
from glmcore.models.known import check_bitsandbytes
from glmcore.models.places.devices import Device, choose_device, choose_dtype
from glmcore.models.places.layout import Layout, layout_of
from glmcore.models.places.memory import kv_bytes_per_token, needed_bytes
from glmcore.models.places.placement import Placement, choose_placement
from glmcore.models.remote_code import refuse_remote_code

if TYPE_CHECKING:
    from glmcore.models.native.loader import Source


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A model that can be loaded, as far as its outside tells."""

    name: str
    checkpoint: Checkpoint
    family: Family
    dtype: str
    device: Device  # the one that was chosen for it
    bits: int | None  # asked for; None where the weights stay as they are stored
    sizes: Mapping[str, int] = field(repr=False)  # bytes in memory by tensor; empty for GGUF
    source: "Source | None" = field(default=None, repr=False)  # where this program loads it, not transformers

    @property
    def weight_bytes(self) -> int:
        if self.checkpoint.num_weights is not None:
            return self.checkpoint.num_weights * NUMBER_BYTES[self.dtype]
        return sum(self.sizes.values())

    @property
    def kv_bytes_per_token(self) -> int:
        config = self.source.config.to_dict() if self.source else self.checkpoint.config
        return kv_bytes_per_token(config, self.dtype)

    @property
    def needed_bytes(self) -> int:
        return needed_bytes(self.weight_bytes, self.kv_bytes_per_token)

    @property
    def layout(self) -> Layout | None:
        return layout_of(self.sizes) if self.sizes else None

    def place(
        self,
        devices: Sequence[Device],
        device_map: str | Mapping[str, Any] | None = None,
        max_memory: Mapping[Any, Any] | None = None,
    ) -> Placement:
        """Where its parts go. Raises ConfigError or NotEnoughMemoryError."""
        layout, names = self.layout, self.family.layer_names
        stored = {part.name for part in layout.parts} if layout else set()
        extra = [part for part in (*names.beside_embedding, names.head) if part not in stored]
        return choose_placement(
            self.device, devices, self.needed_bytes, device_map, max_memory, layout, extra
        )


def read_blueprint(
    name: str,
    path: Path,
    devices: Sequence[Device],
    *,
    dtype: str = "auto",
    device: str = "auto",
    quantization_bits: int | None = None,
    usual_bits: int | None = None,
) -> Blueprint:
    """Check a folder or a .gguf file from outside.

    Args:
        quantization_bits: asked for, so that what cannot be quantized is refused.
        usual_bits: for those models that can be.

    Raises:
        ModelLoadError: it is broken, or of a kind that cannot be loaded.
        ConfigError: an option has no such value here.
    """
    checkpoint = read_gguf(path) if path.is_file() else read_checkpoint(path)
    family = find_family(checkpoint.config, None if path.is_file() else path)
    if not family.is_original:
        refuse_remote_code(checkpoint)
    if quantization_bits is None and family.may_quantize and not checkpoint.config.get("quantization_bit"):
        quantization_bits = usual_bits
    bits = _checked_bits(quantization_bits, path, family)
    chosen = choose_device(device, devices)
    tensors = {} if path.is_file() else list_tensors(path)
    dtype = choose_dtype(dtype, chosen.name, "bfloat16" if path.is_file() else _stored_dtype(tensors))
    source, sizes = _measure(checkpoint, tensors, family, dtype, bits)
    return Blueprint(
        name=name,
        checkpoint=checkpoint,
        family=family,
        dtype=dtype,
        device=chosen,
        bits=bits,
        sizes=sizes,
        source=source,
    )


def _checked_bits(bits: int | None, path: Path, family: Family) -> int | None:
    if bits is None:
        return None
    if type(bits) is not int or bits not in (4, 8):
        raise ConfigError("quantization_bits is {bits!r}; expected 4 or 8, or nothing.", bits=bits)
    if path.is_file():
        raise ConfigError(
            "quantization_bits is {bits}, but {path} is a GGUF file, whose numbers are quantized as they "
            "are; leave it out.",
            bits=bits,
            path=path,
        )
    if not family.may_quantize:
        check_bitsandbytes()
    return bits


def _stored_dtype(tensors: Mapping[str, TensorInfo]) -> str:
    """The number format of most weights; "float32" where a model cannot be loaded in that one."""
    counts: Counter[str] = Counter()
    for info in tensors.values():
        if info.dtype in FLOATS:
            counts[info.dtype] += info.count
    most = max(counts, key=lambda name: counts[name], default="float32")
    return most if most in LOADED_FORMATS else "float32"


def _measure(
    checkpoint: Checkpoint,
    tensors: Mapping[str, TensorInfo],
    family: Family,
    dtype: str,
    bits: int | None,
) -> "tuple[Source | None, dict[str, int]]":
    """What this program loads itself, opened; and bytes in memory by tensor, none of a GGUF file."""
    stored_bits = checkpoint.config.get("quantization_bit")
    if tensors and (family.is_original or ((bits or stored_bits) and family.may_quantize)):
        from glmcore.models.native.original import memory_sizes, open_source

        source = open_source(checkpoint, tensors, family, bits)
        return source, memory_sizes(source, dtype, bits)
    return None, {name: info.count * loaded_number_bytes(info.dtype, dtype) for name, info in tensors.items()}
