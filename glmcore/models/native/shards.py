"""Safetensors files written tensor by tensor, in any order, with no more than one tensor in memory.

Names, shapes and formats are known before, so every file gets its header first and every tensor has its
place. The format is described by its project's README (huggingface/safetensors, "Format").
"""

import json
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from glmcore.models.files.number_formats import TORCH_NAMES

STORED_NAMES = {name: stored for stored, name in TORCH_NAMES.items()}
Place = tuple[Path, int]  # a file, and where in it a tensor begins


class ShardWriter:
    """The weight files of one folder: `model.safetensors`, or shards with their index."""

    def __init__(self, folder: Path, tensors: Mapping[str, Tensor], shard_bytes: int | None = None) -> None:
        """Write the headers.

        Args:
            tensors: all that will be written, without numbers (on the device "meta").
            shard_bytes: a file ends before it holds more; None makes one file.
        """
        self._tensors = tensors
        self._places: dict[str, Place] = {}
        shards = _cut(tensors, shard_bytes)
        numbered = (f"model-{n:05d}-of-{len(shards):05d}.safetensors" for n in range(1, len(shards) + 1))
        self.files = [folder / (name if len(shards) > 1 else "model.safetensors") for name in numbered]
        for path, names in zip(self.files, shards, strict=True):
            self._begin_file(path, names)
        if len(shards) > 1:
            _write_index(folder, self._places, tensors)

    def write(self, name: str, tensor: Tensor) -> None:
        """Put a tensor at its place; its shape and format are those announced."""
        expected = self._tensors[name]
        assert (tensor.shape, tensor.dtype) == (expected.shape, expected.dtype), name
        path, start = self._places.pop(name)
        with path.open("r+b") as file:
            file.seek(start)
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)

    def finish(self) -> None:
        """Wait until all of it is on the disk."""
        assert not self._places, f"never written: {list(self._places)}"
        for path in self.files:
            with path.open("r+b") as file:
                os.fsync(file.fileno())

    def _begin_file(self, path: Path, names: Iterable[str]) -> None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        begins: dict[str, int] = {}
        end = 0
        # Wide numbers first, so that every tensor begins at a multiple of its own width.
        for name in sorted(names, key=lambda name: -self._tensors[name].element_size()):
            tensor = self._tensors[name]
            begin, end = end, end + tensor.nbytes
            stored = STORED_NAMES[str(tensor.dtype).removeprefix("torch.")]
            header[name] = {"dtype": stored, "shape": list(tensor.shape), "data_offsets": [begin, end]}
            begins[name] = begin
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        data = 8 + len(text)
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(data + end)
        self._places |= {name: (path, data + begin) for name, begin in begins.items()}


def _cut(tensors: Mapping[str, Tensor], shard_bytes: int | None) -> list[list[str]]:
    """The names of each file, in the order they come in."""
    shards: list[list[str]] = [[]]
    size = 0
    for name, tensor in tensors.items():
        if shard_bytes is not None and shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += tensor.nbytes
    return shards


def _write_index(folder: Path, places: Mapping[str, Place], tensors: Mapping[str, Tensor]) -> None:
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
        "weight_map": {name: path.name for name, (path, _) in sorted(places.items())},
    }
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
