"""Which part of a model goes to which device, known before anything is loaded. Pure arithmetic.

What meets the first inputs (embedding, and with it norm, head, prefix encoder) shares one GPU; the layers
follow in order over all GPUs, so that the fullest of them is as empty as possible. Memory of the machine and
disk come last. Only weights are counted; room for cache and activations is the caller's `reserve_bytes`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from glmcore.core.errors import ConfigError, NotEnoughMemoryError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.models.places.devices import GIB, Device
from glmcore.models.places.layout import Layout

DEVICE_MAPS = ("auto", "balanced", "chatglm")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
UNCOUNTED = 2**62  # bytes of a disk for which max_memory names no size

# Where layers go that do not fit, and what to say of it.
SLOWER = {
    "cpu": mark(
        "Not everything fits on the GPUs: {count} of {total} layers, {size:.1f} GiB, go to the machine's "
        "memory, so answers get slow."
    ),
    "disk": mark(
        "Not everything fits into memory: {count} of {total} layers, {size:.1f} GiB, go to the disk and are "
        "read again for every token, so answers get very slow."
    ),
}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What one device gets; the layers are `first_layer` to `last_layer`, counted from 0."""

    device: str
    first_layer: int | None
    last_layer: int | None
    num_layers: int
    parts: tuple[str, ...]  # other than layers
    bytes: int
    free_bytes: int | None  # less the reserve, or max_memory; None for a disk whose space is not counted


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything goes; `device_map` in accelerate's form, a GPU by its number."""

    device_map: Mapping[str, str | int]
    rows: tuple[PlanRow, ...]
    warnings: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Budget:
    """A device and how many bytes of weights it may hold."""

    name: str
    limit: int

    @property
    def key(self) -> str | int:
        return int(self.name.removeprefix("cuda:")) if self.name.startswith("cuda:") else self.name


# How many devices have layers; how empty each device is, the fullest first; how many layers each has.
_Cut = tuple[int, tuple[float, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Split:
    """The device of everything but layers, and the device of each layer."""

    head: _Budget
    layers: tuple[_Budget, ...]


def plan_layers(
    layout: Layout,
    devices: Sequence[Device],
    *,
    max_memory: Mapping[Any, Any] | None = None,
    device_map: str | None = None,
    extra: Sequence[str] = (),
    reserve_bytes: int = 0,
) -> Plan:
    """Plan where the parts of a model go.

    Args:
        max_memory: accelerate's form, {0: "20GiB", "cpu": "60GiB"}; a device not named in it is not used.
        device_map: "auto" and "balanced" go by memory, "chatglm" by the fixed rule of ChatGLM-6B.
        extra: parts without stored tensors, placed where the embedding is.
        reserve_bytes: left free on each GPU and on the CPU.

    Raises:
        ConfigError: an option has no such value here.
        NotEnoughMemoryError: the devices that may be used cannot hold the model.
    """
    if device_map is not None and device_map not in DEVICE_MAPS:
        known = ", ".join(DEVICE_MAPS)
        raise ConfigError("device_map is {found!r}; expected one of {known}.", found=device_map, known=known)
    gpus, slower = _budgets(devices, max_memory, reserve_bytes)
    by_units = device_map == "chatglm"
    split = _split_by_units(layout, gpus) if by_units else _split_by_memory(layout, gpus, slower)
    names = (*(part.name for part in layout.pinned), *extra)
    placed: dict[str, str | int] = dict.fromkeys(names, split.head.key)
    placed |= {part.name: budget.key for part, budget in zip(layout.layers, split.layers, strict=True)}
    rows = [_row(budget, layout, split) for budget in (*gpus, *slower)]
    slow = [row for row in rows if row.num_layers and row.device in (SLOWER if gpus else ("disk",))]
    return Plan(
        device_map=placed,
        rows=tuple(row for row in rows if row.bytes or row.device not in SLOWER),
        warnings=tuple(_warning(row, len(layout.layers)) for row in slow),
    )


def _budgets(
    devices: Sequence[Device], max_memory: Mapping[Any, Any] | None, reserve: int
) -> tuple[list[_Budget], list[_Budget]]:
    """What may be used: the GPUs, and what is slower."""
    free = {device.name: max(0, device.free_bytes - reserve) for device in devices} | {"disk": UNCOUNTED}
    if max_memory:
        limits = {_device_name(key, free): _size(key, size) for key, size in max_memory.items()}
        free = {name: min(size, limits[name]) for name, size in free.items() if name in limits}
    gpus = [_Budget(name, limit) for name, limit in free.items() if name not in SLOWER]
    # An Apple GPU has the memory of the CPU; the same bytes must not be planned twice.
    names = ("disk",) if any(gpu.name == "mps" for gpu in gpus) else SLOWER
    slower = [_Budget(name, free[name]) for name in names if name in free]
    if not gpus and "cpu" not in free:
        raise ConfigError(
            "No device is left to compute on; name a GPU or cpu in max_memory, which has {named}.",
            named=", ".join(map(str, max_memory or ())) or "nothing",
        )
    return gpus, slower


def _device_name(key: Any, known: Mapping[str, int]) -> str:
    name = f"cuda:{key}" if str(key).isdecimal() else str(key)
    if name not in known:
        raise ConfigError(
            "max_memory names {key!r}; this machine has {known}.", key=key, known=", ".join(known)
        )
    return name


def _size(key: Any, size: Any) -> int:
    """Bytes of a number or a text such as "20GiB" or "500MB"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT]I?)?B)?", str(size).strip().upper())
    if found is None or isinstance(size, bool):
        raise ConfigError(
            'max_memory of device {key} is {size!r}; expected bytes, or a size like "20GiB" or "500MB".',
            key=key,
            size=size,
        )
    return int(float(found[1]) * UNITS[found[2] or ""])


def _split_by_memory(layout: Layout, gpus: Sequence[_Budget], slower: Sequence[_Budget]) -> _Split:
    """On the GPUs; where that cannot be, on GPUs and what is slower; where that cannot be, on the CPU."""
    cpu, disk = ([budget for budget in slower if budget.name == name] for name in SLOWER)
    for computing, others in ((gpus, slower), (cpu, disk)):
        if split := _spread(layout, computing) or _spill(layout, computing, others):
            return split
    counted = [budget for budget in (*gpus, *slower) if budget.limit < UNCOUNTED]
    raise NotEnoughMemoryError(
        "The model needs {needed:.1f} GiB in whole layers, {pinned:.1f} GiB of it (embedding and head) on "
        "one device, but there are {free:.1f} GiB free on {places}; choose a smaller model or number "
        "format, or allow more in max_memory.",
        needed=layout.total_bytes / GIB,
        pinned=layout.pinned_bytes / GIB,
        free=sum(budget.limit for budget in counted) / GIB,
        places=", ".join(f"{budget.name} ({budget.limit / GIB:.1f})" for budget in counted),
    )


def _spread(layout: Layout, computing: Sequence[_Budget]) -> _Split | None:
    """All layers on computing devices, or None; another than the first holds the embedding if it has to."""
    for head in computing:
        order = [head, *(budget for budget in computing if budget != head)]
        counts = _balance(layout, [budget.limit for budget in order])
        if sum(counts) == len(layout.layers) and layout.pinned_bytes <= head.limit:
            return _Split(head, _repeat(order, counts))
    return None


def _spill(layout: Layout, computing: Sequence[_Budget], slower: Sequence[_Budget]) -> _Split | None:
    """As many layers as possible on computing devices, the last ones on slower ones, or None.

    Layers from slower places are computed by accelerate on the lowest numbered device, one at a time, so that
    one holds the embedding and has room for one layer more; GPUs before it, too full for that, stay out.
    """
    largest = max((part.bytes for part in layout.layers), default=0)
    fits = [budget.limit >= layout.pinned_bytes + largest for budget in computing]
    if not any(fits):
        return None
    order = computing[fits.index(True) :]
    counts = _balance(layout, [order[0].limit - largest, *(budget.limit for budget in order[1:])])
    layers = list(_repeat(order, counts))
    for budget in slower:
        free = budget.limit
        while len(layers) < len(layout.layers) and layout.layers[len(layers)].bytes <= free:
            free -= layout.layers[len(layers)].bytes
            layers.append(budget)
    return _Split(order[0], tuple(layers)) if len(layers) == len(layout.layers) else None


def _balance(layout: Layout, limits: Sequence[int]) -> tuple[int, ...]:
    """How many layers each device takes, in order; the first holds the embedding too.

    Of all ways to cut the layers into runs: place most layers, use most devices, then have the fullest device
    as empty as possible, then the second fullest, and so on. The best for the first devices and layers stays
    the best when a device is added, so it is built up device by device.
    """
    ends = list(accumulate((part.bytes for part in layout.layers), initial=0))
    best: dict[int, _Cut] = {0: (0, (), ())}  # by number of layers placed
    for place, limit in enumerate(limits):
        pinned = 0 if place else layout.pinned_bytes
        longer: dict[int, _Cut] = {}
        for start, (used, empty, counts) in best.items():
            for end in range(start, len(ends)):
                needed = pinned + ends[end] - ends[start]
                if needed > limit:
                    break
                shares = tuple(sorted((*empty, (limit - needed) / max(1, limit))))
                found = (used + (end > start), shares, (*counts, end - start))
                longer[end] = max(longer.get(end, found), found)
        best = longer
    return best[max(best)][2] if best else ()


def _split_by_units(layout: Layout, gpus: Sequence[_Budget]) -> _Split:
    """ChatGLM-6B's own rule: equal shares of one unit per layer, with embedding and head one unit each."""
    if not gpus:
        raise ConfigError('device_map is "chatglm", which needs a GPU, but there is none; use "balanced".')
    layers: list[_Budget] = []
    place, used = 0, 2
    for _ in layout.layers:
        if used * len(gpus) >= len(layout.layers) + 2:
            place, used = place + 1, 0
        layers.append(gpus[place])
        used += 1
    split = _Split(gpus[0], tuple(layers))
    for gpu in gpus:
        needed = _row(gpu, layout, split).bytes
        if needed > gpu.limit:
            raise NotEnoughMemoryError(
                'By device_map "chatglm" {device} gets {needed:.1f} GiB, but it has {free:.1f} GiB free; '
                'use "balanced", which goes by free memory.',
                device=gpu.name,
                needed=needed / GIB,
                free=gpu.limit / GIB,
            )
    return split


def _repeat(budgets: Sequence[_Budget], counts: Sequence[int]) -> tuple[_Budget, ...]:
    return tuple(budget for budget, count in zip(budgets, counts, strict=False) for _ in range(count))


def _row(budget: _Budget, layout: Layout, split: _Split) -> PlanRow:
    numbers = [number for number, place in enumerate(split.layers) if place == budget]
    pinned = layout.pinned if budget == split.head else ()
    return PlanRow(
        device=budget.name,
        first_layer=numbers[0] if numbers else None,
        last_layer=numbers[-1] if numbers else None,
        num_layers=len(numbers),
        parts=tuple(part.name for part in pinned),
        bytes=sum(layout.layers[number].bytes for number in numbers) + sum(part.bytes for part in pinned),
        free_bytes=budget.limit if budget.limit < UNCOUNTED else None,
    )


def _warning(row: PlanRow, total: int) -> Note:
    return Note(SLOWER[row.device], {"count": row.num_layers, "total": total, "size": row.bytes / GIB})
