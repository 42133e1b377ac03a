"""Builds a model empty and streams its tensors in: converted, quantized if asked, straight to their device.

Names and shapes of all files are compared with the model before a number is read. The memory needed beside
the model itself is about one tensor's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import dispatch_model, init_empty_weights
from accelerate.utils import offload_weight, save_offload_index
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.offload import OffloadFolder
from glmcore.models.files.tensor_files import PREFIX, TensorInfo, iter_tensors
from glmcore.models.native.architectures import convert_tensor, model_class
from glmcore.models.native.quantized import QuantizedLinear, quantize

SCALE = "weight_scale"


@dataclass(frozen=True, slots=True)
class Source:
    """A checked folder of original weights."""

    folder: Path
    weights: str  # as in `Family.weights`
    config: PreTrainedConfig
    tensors: Mapping[str, TensorInfo]
    stored_bits: int | None  # of weights that are stored quantized

    def empty_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor under its stored name, without its numbers (on the device "meta")."""
        for name, info in self.tensors.items():
            dtype = getattr(torch, info.dtype, torch.float32)
            yield name, torch.empty(info.shape, dtype=dtype, device="meta")


def read_converted(source: Source, dtype: torch.dtype, bits: int | None) -> Iterator[tuple[str, Tensor]]:
    """Every tensor under the model's names, floats in the given format, linear layers quantized to `bits`."""
    for stored_name, stored in iter_tensors(source.folder):
        for name, tensor in convert_tensor(source.weights, stored_name, stored, source.config):
            if name.startswith(PREFIX):
                continue  # an adapter's, attached afterwards
            if bits and not source.stored_bits and is_quantizable(name, tensor.shape):
                packed, scale = quantize(tensor, bits)
                yield name, packed
                yield f"{name.removesuffix('weight')}{SCALE}", scale.to(dtype)
            else:
                yield name, tensor.to(dtype) if tensor.is_floating_point() else tensor


def build_model(
    source: Source,
    dtype: torch.dtype,
    device_map: Mapping[str, Any],
    bits: int | None,
    offload: OffloadFolder,
    report: Callable[[float], None],
) -> PreTrainedModel:
    """The model in memory, on the devices of the map.

    Args:
        offload: where weights go whose place is "disk".
        report: called with the fraction that is done.

    Raises:
        ModelLoadError: tensors are missing, of no use, or of another shape than the model's.
    """
    model = empty_model(source, dtype, bits or source.stored_bits)
    check_tensors(source, model, bits)
    places = _Places(model, device_map, offload)
    total = sum(info.count for info in source.tensors.values()) or 1
    done = 0
    for name, tensor in read_converted(source, dtype, bits):
        done += tensor.numel()
        places.put(name, tensor)
        report(min(done / total, 1.0))
    if bits or source.stored_bits:
        model.config.quantization_bit = bits or source.stored_bits  # so that what is saved from it says so
    model.tie_weights()
    model.eval()
    return places.dispatch()


def empty_model(source: Source, dtype: torch.dtype, bits: int | None) -> PreTrainedModel:
    """The model without numbers; `bits` makes its layers' linears quantized ones."""
    config = source.config
    config.dtype = dtype
    config._attn_implementation = "sdpa"
    with init_empty_weights(include_buffers=False):
        model = model_class(source.weights)(config)
        if bits:
            for name, module in list(model.named_modules()):
                if isinstance(module, nn.Linear) and _is_in_layer(name):
                    quantized = QuantizedLinear(
                        module.in_features, module.out_features, bits, module.bias is not None
                    )
                    model.set_submodule(name, quantized)
    model.to(dtype)
    return model


def check_tensors(source: Source, model: nn.Module, bits: int | None = None) -> None:
    """Compare what the files hold with what the model needs, without reading numbers.

    Raises:
        ModelLoadError: tensors are missing, of no use, or of another shape or kind than the model's.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    whole = {name for name, tensor in model.state_dict().items() if tensor.dtype == torch.int8}
    if source.config.tie_word_embeddings:
        expected.pop("lm_head.weight", None)
    made_on_load = bool(bits and not source.stored_bits)
    missing = {name for name in expected if not (made_on_load and name.endswith(SCALE))}
    for stored_name, empty in source.empty_tensors():
        info = source.tensors[stored_name]
        for name, tensor in convert_tensor(source.weights, stored_name, empty, source.config):
            if name.startswith(PREFIX):
                continue
            if name not in expected:
                raise ModelLoadError(
                    "{path} holds the weights {name} {shape}, which the model of config.json does not have; "
                    "they are of different models.",
                    path=info.file,
                    name=stored_name,
                    shape=list(info.shape),
                )
            missing.discard(name)
            is_whole = name in whole and not made_on_load
            if (info.dtype == "int8") != is_whole or (not is_whole and not tensor.is_floating_point()):
                raise ModelLoadError(
                    "{path}: the weights {name} are stored as {found}, config.json expects {expected}; "
                    "config and weights are of different models.",
                    path=info.file,
                    name=stored_name,
                    found=info.dtype,
                    expected="int8" if is_whole else "float16, bfloat16 or float32",
                )
            _check_shape(
                stored_name, info, tuple(tensor.shape), expected[name], bits if made_on_load else None
            )
    if missing:
        raise ModelLoadError(
            "{path}: {count} of the weights that config.json asks for are not in the files, first {first}; "
            "config and weights are of different models, or a file is missing.",
            path=source.folder,
            count=len(missing),
            first=min(missing),
        )


def _check_shape(
    name: str,
    info: TensorInfo,
    found: tuple[int, ...],
    expected: tuple[int, ...],
    bits: int | None,
) -> None:
    """Compare one shape with the model's; `bits` where the model packs what the file holds in full."""
    is_packed = bits is not None and is_quantizable(name, expected)
    full = (expected[0], expected[1] * 8 // bits) if bits and is_packed else expected
    if found != full:
        raise ModelLoadError(
            "{path}: the weights {first} have the shape {found}, config.json expects {expected}; "
            "config and weights are of different models.",
            path=info.file,
            first=name,
            found=list(found),
            expected=list(full),
        )


def is_quantizable(name: str, shape: Sequence[int]) -> bool:
    """Whether it is the weight of a linear in a layer; norms, biases and scales have one dimension."""
    return _is_in_layer(name) and len(shape) == 2


def _is_in_layer(name: str) -> bool:
    return ".layers." in name


class _Places:
    """Puts tensors where the device map wants them."""

    def __init__(self, model: PreTrainedModel, device_map: Mapping[str, Any], offload: OffloadFolder) -> None:
        self._model, self._map, self._offload = model, dict(device_map), offload
        self._offload_index: dict[str, Any] = {}

    def put(self, name: str, tensor: Tensor) -> None:
        """Give one weight its numbers, in memory or on the disk."""
        place = self._place_of(name)
        if place == "disk":
            offload_weight(tensor, name, str(self._offload.path), self._offload_index)
        for alias, target in (self._model._tied_weights_keys or {}).items():  # each is read on its own
            if target == name and self._model.config.tie_word_embeddings and self._place_of(alias) == "disk":
                offload_weight(tensor, alias, str(self._offload.path), self._offload_index)
        if place == "disk":
            return
        module_name, _, leaf = name.rpartition(".")
        module = self._model.get_submodule(module_name)
        # A copy: what was mapped from the file must not change when the file does.
        value = tensor.to(_device(place), copy=True).contiguous()
        trained = value.is_floating_point() and leaf != SCALE
        module._parameters[leaf] = nn.Parameter(value, requires_grad=trained)

    def dispatch(self) -> PreTrainedModel:
        """The model, with hooks that move activations where there is more than one device."""
        if len(set(self._map.values())) == 1 and "disk" not in self._map.values():
            self._model.to(_device(next(iter(self._map.values()))))  # the buffers are left
            return self._model
        folder = str(self._offload.path) if self._offload_index else None
        if folder is not None:
            save_offload_index(self._offload_index, folder)
        return dispatch_model(
            self._model,
            device_map=self._map,
            offload_dir=folder,
            offload_index=self._offload_index or None,
            skip_keys=self._model._skip_keys_device_placement,
        )

    def _place_of(self, name: str) -> str | int:
        """Of the module around a weight that the map names, the closest one's."""
        parts = name.split(".")
        for length in range(len(parts), -1, -1):
            if (place := self._map.get(".".join(parts[:length]))) is not None:
                return place
        raise ModelLoadError(
            "The device map names no place for {name}; add it or one of its parents.", name=name
        )


def _device(place: str | int) -> torch.device:
    """A GPU by its number, as accelerate has it, or any device by its name."""
    return torch.device("cuda", place) if isinstance(place, int) else torch.device(place)
