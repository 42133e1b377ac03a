"""Runs with the same value of a setting as one curve: their mean, and a band around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from glmcore.curves.numbers import AnyArray, FloatArray, as_floats
from glmcore.curves.run import ConfigValue, Run
from glmcore.curves.views.decimation import is_sorted

NO_VALUE = "–"  # the label of the runs whose config does not name the setting


class Band(StrEnum):
    """What a band around a mean covers."""

    STD = "std"
    MINMAX = "minmax"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Runs with the same value of a setting; the label is that value, not trusted."""

    label: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GroupCurve:
    """Mean and band; all arrays have shape (G,). NaN where no run has points.

    Attributes:
        num_runs: how many runs reach each x.
    """

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    num_runs: AnyArray


def group_runs(runs: Sequence[Run], key: str) -> list[Group]:
    """Groups by a value of the configs: numbers in their order, then texts, then the runs without it."""
    groups: dict[str, list[Run]] = {}
    values: dict[str, ConfigValue] = {}
    for run in runs:
        value = run.config.get(key)
        label = NO_VALUE if value is None else str(value)
        values.setdefault(label, value)
        groups.setdefault(label, []).append(run)

    def order(label: str) -> tuple[int, float, str]:
        value = values[label]
        if isinstance(value, (int, float)) and math.isfinite(value):
            return 0, value, label
        return (2 if value is None else 1), 0.0, label

    return [Group(label, tuple(groups[label])) for label in sorted(groups, key=order)]


def mean_and_band(
    curves: Sequence[tuple[FloatArray, FloatArray]], band: Band, max_points: int
) -> GroupCurve | None:
    """Average curves over a common x: of each only the part it reaches, straight between its points.

    Args:
        curves: x and y of each run, both of shape (N,) with an N of its own.
        band: STD is the standard deviation of a sample, none where only one run is left.
        max_points: of the common x, which has every x of the runs when they are fewer, else even steps.

    Returns:
        None where no curve has a finite point.
    """
    usable = [cleaned for x, y in curves if len((cleaned := _increasing(x, y))[0])]
    if not usable:
        return None
    grid = _common_x([x for x, _ in usable], max_points)
    values = np.stack([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in usable])  # (runs, G)
    known = np.isfinite(values)
    num_runs = known.sum(axis=0)
    least_one = np.maximum(num_runs, 1)
    empty = num_runs == 0
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(known, values / least_one, 0.0).sum(axis=0)
        if band is Band.STD:
            squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
            spread = np.sqrt(squares / np.maximum(num_runs - 1, 1))
            low, high = mean - spread, mean + spread
        else:
            low = np.where(known, values, np.inf).min(axis=0)
            high = np.where(known, values, -np.inf).max(axis=0)
    for array in (mean, low, high):
        array[empty] = np.nan
    return GroupCurve(grid, mean, low, high, num_runs)


def _increasing(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if is_sorted(x):
        return x, y
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _common_x(axes: list[FloatArray], max_points: int) -> FloatArray:
    if all(len(x) <= max_points for x in axes):
        together = np.unique(np.concatenate(axes))
        if len(together) <= max_points:
            return together
    low, high = min(x[0] for x in axes), max(x[-1] for x in axes)
    parts = np.linspace(0.0, 1.0, max_points)
    return as_floats(low * (1 - parts) + high * parts)  # in this form no distance overflows
