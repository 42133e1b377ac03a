"""JSON lines: our metrics.jsonl, LLaMA-Factory's trainer_log.jsonl, any log of one object a line.

Arrow reads what is flat and whole, some ten times faster than `json` and without the GIL. Where it refuses,
it is offered half as much, until little is left around the lines at fault, which is read one by one.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from glmcore.core.i18n import mark
from glmcore.curves.logs.columns import block_of_columns
from glmcore.curves.logs.lines import as_utf8, cut_lines
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import Rows, join_blocks, name_of
from glmcore.curves.table import MAX_METRICS, Block

FEW_BYTES = 16 << 10  # Arrow starts slower than so little is read by `json`
# Without known columns Arrow makes room for all columns in all rows: at most 80 MB in so little text.
PIECE_BYTES = 32 << 10
MOST_CELLS = 2  # for every byte of text; a filled one takes six bytes, so with more nearly all are empty

BROKEN_LINES = mark("{count} lines are no JSON objects and were skipped, such as {example}.")


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

        num_rows = lines.count(b"\n{") + lines.startswith(b"{")
        if is_known:  # what is nested would be a column of an unknown type
            is_fit = num_rows * len(self._types) <= MOST_CELLS * len(lines)
        else:
            is_fit = lines.count(b"{") == num_rows and b"[" not in lines
        if not is_fit:
            return None
        reading = arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
        parsing = None
        if is_known:
            parsing = arrow_json.ParseOptions(
                explicit_schema=pa.schema(list(self._types.items())), unexpected_field_behavior="error"
            )
        try:
            table = arrow_json.read_json(
                pa.BufferReader(lines), reading, parsing, memory_pool=pa.system_memory_pool()
            )
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
