"""What the dashboard and the process of an openvino engine say to each other: one JSON array a line.

The first element tells what the rest is. Token ids only: text stays with the dashboard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How the pipeline is to be made."""

    folder: str
    cache_blocks: int
    max_batch_tokens: int
    max_sequences: int
    properties: Mapping[str, str | int]  # OpenVINO's own, for the device
    prompt_lookup: bool = False
    adapter: str | None = None  # a safetensors file with a LoRA
    adapter_scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """A request; greedy where there is no seed."""

    number: int
    prompt_ids: Sequence[int]
    end_ids: Sequence[int]
    max_new_tokens: int
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0 is off
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The pipeline is made; `held_bytes` are those of the process, `cache_bytes` may come on top."""

    held_bytes: int
    cache_bytes: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The pipeline could not be made, or has broken down; the process ends."""

    fault: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gave: by request the new ids, and why it ended ("stop", "length"; else what is wrong)."""

    tokens: Sequence[tuple[int, Sequence[int]]]
    ended: Sequence[tuple[int, str]]


KINDS = {kind.__name__: kind for kind in (Start, Add, Cancel, Ready, Failed, Step)}
Said = Start | Add | Cancel | Ready | Failed | Step


def to_line(said: Said) -> bytes:
    return orjson.dumps([type(said).__name__, said]) + b"\n"


def from_line(line: bytes) -> Said:
    name, values = orjson.loads(line)
    kind: Any = KINDS[name]
    said: Said = kind(**values)
    return said
