"""Columns that Arrow read, as a block: numbers, numbers in quotes, clock times and durations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import BAD_STEP, NO_METRICS, TOTAL_STEPS, remember_total
from glmcore.curves.metric_names import STEP_KEYS, TIME_KEYS
from glmcore.curves.numbers import AnyArray, FloatArray, as_floats, parse_number, parse_time
from glmcore.curves.table import Block

# What `parse_number` may take for a number; everything else is passed over quickly.
_MAYBE_NUMBER = r"(?i)[0-9]|nan|inf|[^\x00-\x7f]"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def block_of_columns(
    columns: Mapping[str, Any], num_rows: int, problems: Problems, memory: dict[str, Any]
) -> Block:
    """Columns of Arrow, by their canonical names, as a block."""
    steps, has_step = np.full(num_rows, np.nan), np.zeros(num_rows, dtype=bool)
    times, has_time = np.full(num_rows, np.nan), np.zeros(num_rows, dtype=bool)
    for key in STEP_KEYS:
        if key in columns:
            _fill(steps, has_step, columns[key], *numbers_of(columns[key]))
    for key in TIME_KEYS:
        if key in columns:
            _fill(times, has_time, columns[key], *_seconds_of(columns[key]))
    bad = np.flatnonzero(has_step & ~np.isfinite(steps))
    if len(bad):
        named = (columns[key][int(bad[0])] for key in STEP_KEYS if key in columns)
        problems.add(BAD_STEP, repr(next(one.as_py() for one in named if one.is_valid)), len(bad))
        steps[bad] = np.nan
    if TOTAL_STEPS in columns:
        totals = numbers_of(columns[TOTAL_STEPS])[1]
        usable = totals[np.isfinite(totals) & (totals > 0)]
        remember_total(memory, float(usable[-1]) if len(usable) else None)
    metrics = {
        name: numbers_of(column) for name, column in columns.items() if name not in NO_METRICS and name
    }
    return Block(steps, times, {name: found for name, found in metrics.items() if len(found[0])})


def _fill(into: FloatArray, is_full: AnyArray, column: Any, rows: AnyArray, values: FloatArray) -> None:
    """Put a column's numbers into the rows that have none yet, and NaN where it has something else."""
    named = np.full(len(into), np.nan)
    named[rows] = values
    is_here = column.is_valid().to_numpy() & ~is_full
    into[is_here] = named[is_here]
    is_full |= is_here


def numbers_of(column: Any) -> tuple[AnyArray, FloatArray]:
    """The rows of a column that hold numbers, also as texts, and the numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _valid_rows(column), as_floats(column.drop_null().to_numpy())
    if not pa.types.is_string(column.type):
        return np.empty(0, np.uint32), as_floats([])
    try:
        return _valid_rows(column), as_floats(column.drop_null().cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        may_be = np.flatnonzero(
            pc.fill_null(pc.match_substring_regex(column, _MAYBE_NUMBER), False).to_numpy()
        )
        return _converted(may_be, column.take(pa.array(may_be)).to_pylist(), parse_number)


def _seconds_of(column: Any) -> tuple[AnyArray, FloatArray]:
    """The rows of a column that hold times, and their seconds."""
    import pyarrow as pa

    kind, there = column.type, column.drop_null()
    if pa.types.is_date(kind):
        kind = pa.timestamp("s")
        there = there.cast(kind)
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        ticks = there.cast(pa.int64() if kind.bit_width == 64 else pa.int32())
        return _valid_rows(column), as_floats(ticks.to_numpy()) / _PER_SECOND[kind.unit]
    if not pa.types.is_string(kind):
        return numbers_of(column)
    durations = _durations(there)
    if durations is not None:
        return _valid_rows(column), durations
    return _converted(_valid_rows(column), there.to_pylist(), parse_time)


def _durations(texts: Any) -> FloatArray | None:
    """Seconds of texts that are all like `0:12:30`; None where one is not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.split_pattern(texts, ":")
    if not pc.all(pc.equal(pc.list_value_length(parts), 3)).as_py():
        return None
    try:
        numbers = pc.list_flatten(parts).cast(pa.uint32()).to_numpy().reshape(-1, 3)
    except pa.ArrowInvalid:
        return None
    if len(numbers) and numbers[:, 1:].max() > 59:  # `parse_time` knows what that is
        return None
    return as_floats(numbers @ np.array([3600.0, 60.0, 1.0]))


def _converted(rows: AnyArray, texts: Sequence[str], convert: Any) -> tuple[AnyArray, FloatArray]:
    numbers = [convert(text) for text in texts]
    is_number = np.array([number is not None for number in numbers], dtype=bool)
    return rows[is_number].astype(np.uint32), as_floats([number for number in numbers if number is not None])


def _valid_rows(column: Any) -> AnyArray:
    if column.null_count == 0:
        return np.arange(len(column), dtype=np.uint32)
    return np.flatnonzero(column.is_valid().to_numpy()).astype(np.uint32)
