"""JSON lines: our metrics.jsonl, LLaMA-Factory's trainer_log.jsonl, any log of one object a line.

Arrow reads what is flat and whole, some ten times faster than `json` and without the GIL. Where it refuses,
it is offered half as much, until little is left around the lines at fault, which is read one by one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.trainer_state import (
    BAD_STEP,
    NO_METRICS,
    TOTAL_STEPS,
    Rows,
    name_of,
    remember_total,
)
from glmcore.curves.metric_names import STEP_KEYS, TIME_KEYS
from glmcore.curves.numbers import AnyArray, FloatArray, as_floats, parse_number, parse_time
from glmcore.curves.table import MAX_METRICS, Block

LONGEST_LINE = 1 << 20
FEW_BYTES = 16 << 10  # Arrow starts slower than so little is read by `json`
# Without known columns Arrow makes room for all columns in all rows: at most 80 MB in so little text.
PIECE_BYTES = 32 << 10
MOST_CELLS = 2  # for every byte of text; a filled one takes six bytes, so with more nearly all are empty
INSIDE_LONG_LINE = "inside_long_line"

LONG_LINES = mark("{count} lines longer than 1 MiB were skipped ({example}).")
BROKEN_LINES = mark("{count} lines are no JSON objects and were skipped, such as {example}.")

# What `parse_number` may take for a number; everything else is passed over quickly.
_MAYBE_NUMBER = r"(?i)[0-9]|nan|inf|[^\x00-\x7f]"
_CLOCK = r"^[0-9]{1,6}:[0-5]?[0-9]:[0-5]?[0-9]$"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class JsonLines:
    """A `Parser` of lines that hold one JSON object each; nested ones are flattened: `train/loss`."""

    def __init__(self, memory: Mapping[str, Any] | None = None) -> None:
        self.memory: dict[str, Any] = dict(memory or {})
        self.problems = Problems()
        self._types: dict[str, Any] = {}  # Arrow's, of the columns seen so far

    def parse(self, data: bytes, *, at_end: bool) -> tuple[Block, int]:
        lines, rest, used = cut_lines(data, self.memory, self.problems)
        blocks = list(self._blocks(as_utf8(lines)))
        if at_end and rest:
            rows = Rows(self.problems, self.memory)
            if _take(rows, rest):
                blocks.append(rows.block())
                used += len(rest)
        return join_blocks(blocks), used

    def _blocks(self, lines: bytes) -> Iterator[Block]:
        begin, size, slow_size = 0, len(lines), PIECE_BYTES
        while begin < len(lines):
            wanted = max(size, PIECE_BYTES) if self._types else PIECE_BYTES
            piece = _lines_from(lines, begin, wanted)
            block = self._fast(piece, is_known=wanted > PIECE_BYTES) if len(piece) > FEW_BYTES else None
            if block is None and wanted > PIECE_BYTES:
                size = wanted // 2
                continue
            if block is None:
                piece = _lines_from(lines, begin, slow_size)
                block = self._one_by_one(piece)
                slow_size *= 2  # refused again and again, Arrow is asked less and less
            else:
                slow_size = PIECE_BYTES
            yield block
            begin, size = begin + len(piece), size * 2

    def _fast(self, lines: bytes, *, is_known: bool) -> Block | None:
        """What Arrow reads; None where it cannot.

        Args:
            is_known: all columns were seen before, so that Arrow need not look for them.
        """
        import pyarrow as pa
        from pyarrow import json as arrow_json

        num_rows = lines.count(b"{")
        is_flat = num_rows == lines.count(b"\n{") + lines.startswith(b"{") and b"[" not in lines
        if not is_flat or (is_known and num_rows * len(self._types) > MOST_CELLS * len(lines)):
            return None
        reading = arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
        parsing = None
        if is_known:
            parsing = arrow_json.ParseOptions(
                explicit_schema=pa.schema(list(self._types.items())), unexpected_field_behavior="error"
            )
        try:
            table = arrow_json.read_json(pa.BufferReader(lines), reading, parsing)
            names = [name_of(name) for name in table.column_names]
        except (pa.ArrowException, ValueError):
            return None
        is_sparse = num_rows * len(names) > MOST_CELLS * len(lines)
        if is_sparse or table.num_rows != num_rows or len(set(names)) < len(names):
            return None
        if not is_known:
            self._learn(table.schema)
        columns = dict(zip(names, table.columns, strict=True))
        return block_of_columns(columns, num_rows, self.problems, self.memory)

    def _learn(self, schema: Any) -> None:
        import pyarrow as pa

        for field in schema:
            if pa.types.is_integer(field.type):  # a later one may have a fraction
                self._types[field.name] = pa.float64()
            elif not pa.types.is_null(field.type) or field.name not in self._types:
                self._types[field.name] = field.type
        if len(self._types) > MAX_METRICS:
            self._types = {}

    def _one_by_one(self, lines: bytes) -> Block:
        rows = Rows(self.problems, self.memory)
        for line in lines.split(b"\n"):
            if line.strip() and not _take(rows, line):
                self.problems.add(BROKEN_LINES, line[:80].decode("utf-8", "replace"))
        return rows.block()


def _take(rows: Rows, line: bytes) -> bool:
    """Read a line; whether it is a JSON object."""
    try:
        row = json.loads(line.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return False
    if isinstance(row, dict):
        rows.add(row)
    return isinstance(row, dict)


def _lines_from(lines: bytes, begin: int, size: int) -> bytes:
    """Whole lines of at most `size` bytes, but one at least."""
    return lines[begin : lines.rfind(b"\n", begin, begin + size) + 1 or lines.find(b"\n", begin) + 1]


def as_utf8(data: bytes) -> bytes:
    """The same bytes, with what is no UTF-8 replaced: a broken letter in a name costs no numbers."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode()


def cut_lines(data: bytes, memory: dict[str, Any], problems: Problems) -> tuple[bytes, bytes, int]:
    """The whole lines of `data`, the unfinished one after them, and how many bytes the whole ones take.

    Lines longer than 1 MiB are left out and counted, also when they come in parts.
    """
    begin = 0
    if memory.get(INSIDE_LONG_LINE):
        begin = data.find(b"\n") + 1
        if not begin:
            return b"", b"", len(data)
        memory[INSIDE_LONG_LINE] = False
    whole, kept = [], begin
    while True:
        end = data.rfind(b"\n", begin, begin + LONGEST_LINE) + 1
        if not end:
            whole.append(data[kept:begin])
            if len(data) - begin <= LONGEST_LINE:
                return b"".join(whole), data[begin:], begin
            problems.add(LONG_LINES, data[begin : begin + 80].decode("utf-8", "replace"))
            kept = end = data.find(b"\n", begin) + 1
            if not end:
                memory[INSIDE_LONG_LINE] = True
                return b"".join(whole), b"", len(data)
        begin = end


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
    import pyarrow.compute as pc

    kind, there = column.type, column.drop_null()
    if pa.types.is_date(kind):
        kind = pa.timestamp("s")
        there = there.cast(kind)
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        ticks = there.cast(pa.int64() if kind.bit_width == 64 else pa.int32())
        return _valid_rows(column), as_floats(ticks.to_numpy()) / _PER_SECOND[kind.unit]
    if not pa.types.is_string(kind):
        return numbers_of(column)
    if pc.all(pc.match_substring_regex(there, _CLOCK)).as_py():
        parts = pc.list_flatten(pc.split_pattern(there, ":")).cast(pa.int64()).to_numpy().reshape(-1, 3)
        return _valid_rows(column), as_floats(parts[:, 0] * 3600 + parts[:, 1] * 60 + parts[:, 2])
    return _converted(_valid_rows(column), there.to_pylist(), parse_time)


def _converted(rows: AnyArray, texts: Sequence[str], convert: Any) -> tuple[AnyArray, FloatArray]:
    numbers = [convert(text) for text in texts]
    is_number = np.array([number is not None for number in numbers], dtype=bool)
    return rows[is_number].astype(np.uint32), as_floats([number for number in numbers if number is not None])


def _valid_rows(column: Any) -> AnyArray:
    if column.null_count == 0:
        return np.arange(len(column), dtype=np.uint32)
    return np.flatnonzero(column.is_valid().to_numpy()).astype(np.uint32)
