"""Rows as trainers log them, {name: value}, on their way to a block."""

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.metric_names import PROGRESS_KEYS, STEP_KEYS, TIME_KEYS, canonical
from glmcore.curves.numbers import AnyArray, FloatArray, as_floats, parse_number, parse_time
from glmcore.curves.table import MAX_METRICS, Block

BAD_STEP = mark("{count} rows name a step that is no number, such as {example}.")
NO_METRICS = frozenset((*STEP_KEYS, *TIME_KEYS, *PROGRESS_KEYS))
TOTAL_STEPS = "total_steps"
LONGEST_NAME = 200  # letters; the rest of a longer one is cut off
MOST_NAMES = 2 * MAX_METRICS  # in one block: the table counts those it has no room for, but there is an end
DEEPEST = 3  # {"train": {"loss": 1}} is train/loss; further levels are left out


@lru_cache(maxsize=4096)
def _spelled(key: str) -> str:
    return canonical(key.encode("utf-8", "replace").decode())  # JSON may hold halves of letters


def name_of(key: str) -> str:
    """The canonical name that a key of a row stands for; empty where it stands for nothing."""
    return _spelled(key.strip()[:LONGEST_NAME])


class Rows:
    """Rows that were read one by one, in the order of the log."""

    def __init__(self, problems: Problems, memory: dict[str, Any]) -> None:
        self._problems, self._memory = problems, memory
        self._steps: list[float] = []
        self._times: list[float] = []
        self._metrics: dict[str, tuple[list[int], list[float]]] = {}

    def add(self, row: Mapping[str, Any], step: float | None = None) -> None:
        """Take a row; of two keys that mean the same the first counts.

        Args:
            step: where the row belongs if it names no step itself.
        """
        found: dict[str, Any] = {}
        for key, value in _flat(row, DEEPEST):
            found.setdefault(name_of(key), value)
        at = len(self._steps)
        self._steps.append(self._step_of(found, step))
        self._times.append(_time_of(found))
        remember_total(self._memory, parse_number(found.get(TOTAL_STEPS)))
        for name, value in found.items():
            if name in NO_METRICS or (number := parse_number(value)) is None:
                continue
            if name not in self._metrics:
                if len(self._metrics) >= MOST_NAMES:
                    continue
                self._metrics[name] = ([], [])
            rows, values = self._metrics[name]
            rows.append(at)
            values.append(number)

    def block(self) -> Block:
        metrics = {
            name: (np.asarray(rows, dtype=np.uint32), as_floats(values))
            for name, (rows, values) in self._metrics.items()
            if name
        }
        return Block(as_floats(self._steps), as_floats(self._times), metrics)

    def _step_of(self, found: Mapping[str, Any], otherwise: float | None) -> float:
        named = next((found[key] for key in STEP_KEYS if key in found), otherwise)
        if named is None:
            return math.nan
        number = parse_number(named)
        if number is None or not math.isfinite(number):
            self._problems.add(BAD_STEP, reprlib.repr(named))
            return math.nan
        return number


def _time_of(found: Mapping[str, Any]) -> float:
    named = next((found[key] for key in TIME_KEYS if key in found), None)
    seconds = None if named is None else parse_time(named)
    return math.nan if seconds is None else seconds


def remember_total(memory: dict[str, Any], total: float | None) -> None:
    """Note where the run will end, if that is a number of steps."""
    if total is not None and 0 < total < math.inf:
        memory[TOTAL_STEPS] = total


def _flat(row: Mapping[str, Any], levels: int, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            if levels > 1:
                yield from _flat(value, levels - 1, f"{prefix}{key}/")
        elif value is not None:
            yield prefix + key, value


def join_blocks(blocks: Sequence[Block]) -> Block:
    """Blocks that follow one another as one."""
    if len(blocks) == 1:
        return blocks[0]
    parts: dict[str, list[tuple[AnyArray, FloatArray]]] = {}
    first = 0
    for block in blocks:
        for name, (rows, values) in block.metrics.items():
            parts.setdefault(name, []).append((rows + np.uint32(first), values))
        first += len(block.steps)
    empty = as_floats([])
    return Block(
        np.concatenate([empty, *(block.steps for block in blocks)]),
        np.concatenate([empty, *(block.times for block in blocks)]),
        {
            name: (
                np.concatenate([rows for rows, _ in found]),
                np.concatenate([values for _, values in found]),
            )
            for name, found in parts.items()
        },
    )
