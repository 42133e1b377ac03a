"""The tensors of a model folder: which there are, and reading them one file at a time.

A listing knows names, shapes and number formats and reads no data. `iter_tensors` holds one shard's tensors
at most, and of files that can be mapped into memory only what is touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import WEIGHT_NAMES, read_json, weight_files
from glmcore.models.files.number_formats import NUMBER_BYTES, TORCH_NAMES
from glmcore.models.files.safetensors_header import read_header

if TYPE_CHECKING:
    from torch import Tensor

# What the names of a prefix's tensors begin with, in the files of every family.
PREFIX = "transformer.prefix_encoder."


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What is known of a stored tensor before it is read; `dtype` is torch's name without "torch."."""

    shape: tuple[int, ...]
    dtype: str
    file: Path

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * NUMBER_BYTES.get(self.dtype, 1)


def list_tensors(folder: Path) -> dict[str, TensorInfo]:
    """Name -> tensor, of all weight files of a folder, in the order of the files.

    Raises:
        ModelLoadError: a file is missing, damaged, holds more than weights, or lacks what its index names.
    """
    found: dict[str, TensorInfo] = {}
    for path in weight_files(folder):
        for name, info in list_file(path).items():
            if name in found:
                raise ModelLoadError(
                    "{path} and {other} both hold the weights {name}; one of them is of another model.",
                    path=path,
                    other=found[name].file.name,
                    name=name,
                )
            found[name] = info
    _check_index(folder, found)
    return found


def iter_tensors(folder: Path) -> Iterator[tuple[str, "Tensor"]]:
    """Every tensor of a folder as (name, tensor on the CPU), one file after the other.

    Raises:
        ModelLoadError: as `list_tensors`.
    """
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            yield from _iter_safetensors(path)
        else:
            tensors = _load_pickle(path)
            for name in list(tensors):
                yield name, tensors.pop(name)  # popped, so that a tensor that was used up can go


def read_prefix(folder: Path) -> dict[str, "Tensor"]:
    """The tensors of a prefix, under the encoder's names; empty where the folder has none.

    Raises:
        ModelLoadError: as `list_tensors`.
    """
    return {
        name.removeprefix(PREFIX): tensor for name, tensor in iter_tensors(folder) if name.startswith(PREFIX)
    }


def list_file(path: Path) -> dict[str, TensorInfo]:
    """Name -> tensor, of one file.

    Raises:
        ModelLoadError: it is damaged, or holds more than weights.
    """
    if path.suffix == ".safetensors":
        return {
            name: TensorInfo(tuple(entry["shape"]), TORCH_NAMES.get(entry["dtype"], entry["dtype"]), path)
            for name, entry in read_header(path).items()
        }
    return {
        name: TensorInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), path)
        for name, tensor in _load_pickle(path, device="meta").items()
    }


def _check_index(folder: Path, found: dict[str, TensorInfo]) -> None:
    """An index that names a tensor in another file than the one it is in belongs to another model."""
    first = weight_files(folder)[0]
    if first.name in WEIGHT_NAMES:  # one file, which needs no index
        return
    name_of_all = next(name for name in WEIGHT_NAMES if Path(name).suffix == first.suffix)
    index = folder / f"{name_of_all}.index.json"
    weight_map = read_json(index)["weight_map"]
    for name, file in weight_map.items():
        if name not in found or found[name].file.name != file:
            raise ModelLoadError(
                "{index} says that {file} holds the weights {name}, but it does not; index and files are of "
                "different models, or a file was replaced.",
                index=index,
                file=file,
                name=name,
            )
    if unnamed := sorted(found.keys() - weight_map.keys()):
        raise ModelLoadError(
            "{index} does not name the weights {name}, which {file} holds; index and files are of different "
            "models, or a file was replaced.",
            index=index,
            name=unnamed[0],
            file=found[unnamed[0]].file.name,
        )


def _iter_safetensors(path: Path) -> Iterator[tuple[str, "Tensor"]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (not a dictionary)
            yield name, file.get_tensor(name)


def _load_pickle(path: Path, device: str = "cpu") -> dict[str, Any]:
    """A pickle by torch's reader that builds tensors and nothing else."""
    import zipfile

    import torch

    try:
        can_map = zipfile.is_zipfile(path)  # not the form of before torch 1.6
        tensors = torch.load(path, map_location=device, weights_only=True, mmap=can_map)
    except Exception as fault:  # a broken file may make its reader raise anything
        if type(fault).__name__ == "UnpicklingError" and _is_pickle(path):
            raise ModelLoadError(
                "{path} holds a pickle with more in it than weights, which could run code, so it was not "
                "loaded; use the model's safetensors files.",
                path=path,
            ) from fault
        raise ModelLoadError(
            "{path} is not a readable weight file ({fault}); copy or download it again.",
            path=path,
            fault=_reason(fault, path),
        ) from fault
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in tensors.items()
    ):
        raise ModelLoadError(
            "{path}: found a {kind}, expected weights by name; it is not a model's weight file.",
            path=path,
            kind=type(tensors).__name__,
        )
    return tensors


def _is_pickle(path: Path) -> bool:
    """Whether it begins as one: as the zip of today's torch, or as a bare pickle."""
    with path.open("rb") as file:
        return file.read(2)[:1] in (b"P", b"\x80")


def _reason(fault: Exception, path: Path) -> str:
    """What torch says; of what is no weights at all (a Git LFS pointer, an error page) how it begins."""
    if _is_pickle(path):
        return str(fault).split("\n")[0] or "it ends too early"
    with path.open("rb") as file:
        return f"it begins with {file.read(40)!r}"
