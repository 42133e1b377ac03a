"""The whole view of the curves page as one value, and as the address that gives it to somebody else.

The address is the same in every language, and holds only what differs from the defaults.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from glmcore.curves.views.axes import Axis
from glmcore.curves.views.grouping import Band
from glmcore.curves.views.smoothing import SmoothingMethod

MAX_LISTED = 200  # runs or metrics in an address
MAX_SMOOTHING = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """What is looked at. The name of each field is its name in the address.

    Attributes:
        folder: number of the folder of logs, of those in the settings; 0 are the jobs.
        find: the filter of runs.
        run: ids of the runs shown; empty shows the latest of those found.
        metric: names of the charts; empty chooses.
        zoom: the range of the x axis.
        higher, lower: metrics whose better direction was set by hand.
    """

    folder: int = 0
    find: str = ""
    run: tuple[str, ...] = ()
    metric: tuple[str, ...] = ()
    axis: Axis = Axis.STEP
    method: SmoothingMethod = SmoothingMethod.EXPONENTIAL
    smooth: float = 0.6
    log: bool = False
    clip: bool = False
    raw: bool = True
    old: bool = False
    best: bool = True
    group: str = ""
    band: Band = Band.STD
    higher: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    zoom: tuple[float, float] | None = None


DEFAULT = PageState()


def to_query(state: PageState) -> dict[str, str | list[str]]:
    """The parts of an address that give this view."""
    query: dict[str, str | list[str]] = {}
    for entry in fields(state):
        value = getattr(state, entry.name)
        if value == getattr(DEFAULT, entry.name):
            continue
        if isinstance(value, bool):
            query[entry.name] = "1" if value else "0"
        elif entry.name == "zoom":
            query[entry.name] = "~".join(repr(end).removesuffix(".0") for end in value)
        elif isinstance(value, tuple):
            query[entry.name] = list(value[:MAX_LISTED])
        else:
            query[entry.name] = str(value)
    return query


def from_query(query: Mapping[str, list[str]]) -> PageState:
    """The view that an address names; what cannot be read in it is left at its default."""
    values: dict[str, Any] = {}
    for entry in fields(PageState):
        texts = query.get(entry.name)
        if texts:
            value = _read(getattr(DEFAULT, entry.name), texts, entry.name)
            if value is not None:
                values[entry.name] = value
    return PageState(**values)


def _read(default: Any, texts: list[str], name: str) -> Any:
    last = texts[-1]
    try:
        if name == "zoom":
            low, high = (float(part) for part in last.split("~"))
            return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None
        if isinstance(default, bool):
            return {"0": False, "1": True}.get(last)
        if isinstance(default, tuple):
            return tuple(dict.fromkeys(texts[:MAX_LISTED]))
        if isinstance(default, float):
            value = float(last)
            return min(value, MAX_SMOOTHING) if 0 <= value < 1 else None
        if isinstance(default, int):
            return max(0, int(last))
        return type(default)(last)
    except ValueError:
        return None
