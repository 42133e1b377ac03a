"""Where the layers of one model go: onto one device, or spread over several by a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from glmcore.models.places.devices import Device, choose_device
from glmcore.models.places.layout import Layout
from glmcore.models.places.plan import Plan, plan_layers


@dataclass(frozen=True, slots=True)
class Placement:
    """What the loader is told, and what the memory check needs to know."""

    device_map: str | dict[str, Any]
    place: str  # for people
    free_bytes: int
    max_memory: dict[Any, Any] | None = None
    plan: Plan | None = field(default=None, repr=False)

    @property
    def devices(self) -> set[Any]:
        """Where parts are known to go; empty where accelerate decides."""
        return set(self.device_map.values()) if isinstance(self.device_map, dict) else set()


def choose_placement(
    chosen: Device,
    devices: Sequence[Device],
    needed: int,
    device_map: str | Mapping[str, Any] | None,
    max_memory: Mapping[Any, Any] | None,
    layout: Layout | None = None,
    extra: Sequence[str] = (),
) -> Placement:
    """What was asked for; else one device, where answers can be batched; else all of them, GPUs first.

    Args:
        needed: bytes of weights and cache.
        layout: the model's parts; None where they are not known before loading (GGUF), which leaves the
            spreading to accelerate.
        extra: parts without stored tensors.

    Raises:
        ConfigError, NotEnoughMemoryError: as `plan_layers`.
    """
    gpus = [device for device in devices if device.name.startswith("cuda")]
    must_spread = chosen in gpus and needed > chosen.free_bytes
    if device_map is None and max_memory is None and not must_spread:
        return Placement({"": chosen.name}, chosen.name, chosen.free_bytes)
    place = ", ".join(device.name for device in devices)
    free_bytes = sum(device.free_bytes for device in devices)
    if isinstance(device_map, Mapping):
        for target in device_map.values():
            if target != "disk":
                choose_device(f"cuda:{target}" if isinstance(target, int) else str(target), devices)
        return Placement(dict(device_map), place, free_bytes)
    if layout is None:
        limits = {int(key) if str(key).isdecimal() else key: size for key, size in (max_memory or {}).items()}
        return Placement(device_map or "auto", place, free_bytes, limits or None)
    plan = plan_layers(
        layout,
        devices,
        max_memory=max_memory,
        device_map=device_map,
        extra=extra,
        reserve_bytes=max(0, needed - layout.total_bytes),
    )
    place = ", ".join(row.device for row in plan.rows)
    # What could be planned fits, be it on a disk, which `free_bytes` does not count.
    return Placement(dict(plan.device_map), place, max(free_bytes, needed), plan=plan)
