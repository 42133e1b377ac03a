"""Where the layers of one model go: onto one device, or spread over several by accelerate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glmcore.models.devices import Device


@dataclass(frozen=True, slots=True)
class Placement:
    """What transformers is told, and what the memory check needs to know."""

    device_map: str | dict[str, Any]
    place: str  # for people
    free_bytes: int
    max_memory: dict[Any, Any] | None = None


def choose_placement(
    chosen: Device,
    devices: Sequence[Device],
    needed: int,
    device_map: str | Mapping[str, Any] | None,
    max_memory: Mapping[Any, Any] | None,
) -> Placement:
    """What was asked for; else one device, where answers can be batched; else all GPUs."""
    gpus = [device for device in devices if device.name.startswith("cuda")]
    must_spread = chosen in gpus and len(gpus) > 1 and needed > chosen.free_bytes
    if device_map is None and max_memory is None and not must_spread:
        return Placement({"": chosen.name}, chosen.name, chosen.free_bytes)
    # What was asked for may use the machine's memory too; by default it is the GPUs alone.
    used = gpus if must_spread and device_map is None and max_memory is None else devices
    wanted = device_map if device_map is not None else "auto"
    return Placement(
        wanted if isinstance(wanted, str) else dict(wanted),
        ", ".join(device.name for device in used),
        sum(device.free_bytes for device in used),
        _with_numbers(max_memory),
    )


def _with_numbers(max_memory: Mapping[Any, Any] | None) -> dict[Any, Any] | None:
    """GPU numbers as numbers: from a file or a command line they come as texts."""
    if max_memory is None:
        return None
    return {int(key) if str(key).isdigit() else key: size for key, size in max_memory.items()}
