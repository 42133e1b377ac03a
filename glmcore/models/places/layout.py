"""The parts of a model that can be placed on a device: embedding, layers in order, and everything else.

Told from tensor names alone, so it needs no model and knows no family: the layers are the repeated block.
"""

from collections.abc import Mapping
from dataclasses import dataclass

EMBEDDINGS = ("wte", "wpe")  # the tables that do not have "embed" in their name


@dataclass(frozen=True, slots=True)
class Part:
    """A module that stays in one piece, "transformer.layers.3", "lm_head", with its bytes in memory."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All parts of a model; `tail` is what is neither embedding nor layer: norm, head, prefix encoder."""

    embedding: tuple[Part, ...]
    layers: tuple[Part, ...]
    tail: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*self.embedding, *self.layers, *self.tail)

    @property
    def total_bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def pinned(self) -> tuple[Part, ...]:
        """What stays together where the inputs come in and the answers go out."""
        return (*self.embedding, *self.tail)

    @property
    def pinned_bytes(self) -> int:
        return sum(part.bytes for part in self.pinned)


def layout_of(sizes: Mapping[str, int]) -> Layout:
    """Group tensors into parts.

    Args:
        sizes: bytes in memory by tensor name, named as in the loaded model.
    """
    stem = _layer_stem(sizes)
    grouped: dict[str, int] = {}
    for name, size in sizes.items():
        part = _part_of(name, stem)
        grouped[part] = grouped.get(part, 0) + size
    parts = [Part(name, size) for name, size in grouped.items()]
    layers = sorted((part for part in parts if _is_layer(part.name, stem)), key=_number)
    others = [part for part in parts if not _is_layer(part.name, stem)]
    return Layout(
        embedding=tuple(part for part in others if _is_embedding(part.name)),
        layers=tuple(layers),
        tail=tuple(part for part in others if not _is_embedding(part.name)),
    )


def _layer_stem(sizes: Mapping[str, int]) -> tuple[str, ...] | None:
    """What the names of all layers begin with: of all numbered blocks the one with most bytes.

    A block has modules in it. A numbered module that holds weights itself is a step of a small sequence, as
    in a prefix encoder.
    """
    found: dict[tuple[str, ...], int] = {}
    for name, size in sizes.items():
        path = tuple(name.split("."))
        number = next((place for place, word in enumerate(path) if word.isdecimal()), None)
        if number is not None and len(path) > number + 2:
            found[path[:number]] = found.get(path[:number], 0) + size
    return max(found, key=lambda stem: found[stem]) if found else None


def _part_of(name: str, stem: tuple[str, ...] | None) -> str:
    """The largest module around a tensor that holds at most one layer; the tensor itself if there is none."""
    path = name.split(".")
    depth = 0
    for word, expected in zip(path, stem or (), strict=False):
        if word != expected:
            break
        depth += 1
    return ".".join(path[: depth + 1])


def _is_layer(part: str, stem: tuple[str, ...] | None) -> bool:
    *path, last = part.split(".")
    return tuple(path) == stem and last.isdecimal()


def _is_embedding(part: str) -> bool:
    last = part.rsplit(".", 1)[-1]
    return "embed" in last or last in EMBEDDINGS


def _number(layer: Part) -> int:
    return int(layer.name.rsplit(".", 1)[-1])
