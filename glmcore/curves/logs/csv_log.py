"""CSV logs: a header, then rows of numbers, by any logger and by TensorBoard's own export.

Arrow reads what is regular; quotes, headers in the middle and other surprises are read cell by cell.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from glmcore.core.i18n import mark
from glmcore.curves.logs.columns import block_of_columns
from glmcore.curves.logs.lines import as_utf8, cut_lines
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import NO_METRICS, Rows, join_blocks, name_of
from glmcore.curves.metric_names import EPOCH, STEP_KEYS, TIME_KEYS
from glmcore.curves.numbers import FloatArray, as_floats, parse_number
from glmcore.curves.table import Block

FEW_BYTES = 16 << 10  # Arrow starts slower than so little is read cell by cell
RAGGED_ROWS = mark(
    "{count} rows have more or fewer cells than the header and were skipped, such as {example}."
)

_DELIMITERS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*"')
_TENSORBOARD = ["Wall time", "Step", "Value"]
_KNOWN = {key.lower(): key for key in reversed((*STEP_KEYS, *TIME_KEYS, EPOCH))}


class CsvLog:
    """A `Parser` of rows of cells, one on a line.

    `memory["file_stem"]` names the metric of TensorBoard's export, whose columns are named alike for all.
    """

    def __init__(self, memory: Mapping[str, Any] | None = None) -> None:
        self.memory: dict[str, Any] = dict(memory or {})
        self.problems = Problems()

    def parse(self, data: bytes, *, at_end: bool) -> tuple[Block, int]:
        lines, rest, used = cut_lines(data, self.memory, self.problems)
        if at_end:
            lines, used = lines + rest, used + len(rest)
        lines = as_utf8(lines.replace(b"\r\n", b"\n"))
        if "header" not in self.memory:
            lines = self._read_header(lines.removeprefix(b"\xef\xbb\xbf"))
        if not lines.strip():
            return join_blocks([]), used
        block = self._fast(lines) if len(lines) > FEW_BYTES else None
        return block if block is not None else join_blocks(list(self._cell_by_cell(lines))), used

    def _read_header(self, lines: bytes) -> bytes:
        """Take the first line that is not empty; returns the others."""
        header, _, others = lines.lstrip(b"\r\n ").partition(b"\n")
        text = header.decode("utf-8", "replace").strip("\r")
        if text:
            self.memory["delimiter"] = delimiter_of(text)
            self._take_header(_cells(text, self.memory["delimiter"]))
        return others

    def _take_header(self, header: list[str]) -> None:
        self.memory["header"] = header
        self.memory["epoch_is_step"] = None  # not known before the first rows

    @property
    def _names(self) -> list[str]:
        """The canonical name of each column; empty for those that repeat an earlier one."""
        header = self.memory["header"]
        if header == _TENSORBOARD:
            return ["Wall time", "step", name_of(str(self.memory.get("file_stem") or "value"))]
        return _names_of(header)

    def _fast(self, lines: bytes) -> Block | None:
        """What Arrow reads; None where it cannot, or where a header may stand in the middle."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if b'"' in lines or b"\r" in lines:
            return None
        names, ragged = self._names, list[str]()
        reading = arrow_csv.ReadOptions(
            use_threads=False,
            block_size=len(lines) + 1,
            column_names=[str(number) for number in range(len(names))],
        )

        def skip(row: Any) -> str:
            ragged.append(row.text)
            return "skip"

        parsing = arrow_csv.ParseOptions(
            delimiter=self.memory["delimiter"], quote_char=False, invalid_row_handler=skip
        )
        # Arrow would take "NaN" for an empty cell, and a column of 1 and `true` for truths.
        converting = arrow_csv.ConvertOptions(
            null_values=[""], strings_can_be_null=True, true_values=[], false_values=[]
        )
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(lines), reading, parsing, converting, memory_pool=pa.system_memory_pool()
            )
        except (pa.ArrowException, ValueError):
            return None
        columns = {name: column for name, column in zip(names, table.columns, strict=True) if name}
        if not _is_numeric(columns):
            return None
        for text in ragged:
            self._count_ragged(text)
        block = block_of_columns(columns, table.num_rows, self.problems, self.memory)
        return self._with_steps(block)

    def _cell_by_cell(self, lines: bytes) -> Iterator[Block]:
        rows, names = Rows(self.problems, self.memory), self._names
        delimiter = self.memory["delimiter"]
        for line in lines.decode("utf-8", "replace").split("\n"):
            if not line.strip():
                continue
            cells = _cells(line.strip("\r"), delimiter)
            if _is_header(cells, self.memory["header"]):
                yield self._with_steps(rows.block())
                self._take_header(cells)
                rows, names = Rows(self.problems, self.memory), self._names
            elif len(cells) != len(names):
                self._count_ragged(line)
            else:
                rows.add({name: cell for name, cell in zip(names, cells, strict=True) if name and cell})
        yield self._with_steps(rows.block())

    def _count_ragged(self, line: str) -> None:
        if line.strip():
            self.problems.add(RAGGED_ROWS, line[:80])

    def _with_steps(self, block: Block) -> Block:
        """Epochs as steps, where no column names steps and each row has a whole epoch of its own."""
        if EPOCH not in block.metrics or not set(self._names).isdisjoint(STEP_KEYS):
            return block
        rows, epochs = block.metrics[EPOCH]
        if self.memory["epoch_is_step"] is None:
            self.memory["epoch_is_step"] = len(epochs) == len(block.steps) and _are_counted(epochs)
        if not self.memory["epoch_is_step"]:
            return block
        steps: FloatArray = as_floats(np.full(len(block.steps), np.nan))
        steps[rows] = np.where(np.isfinite(epochs), epochs, np.nan)
        return Block(steps, block.times, block.metrics)


def _are_counted(epochs: FloatArray) -> bool:
    """Whether they are whole numbers, each larger than the one before."""
    is_whole = np.isfinite(epochs) & (epochs == np.floor(epochs))
    return bool(is_whole.all() and np.all(epochs[1:] > epochs[:-1]))


def _names_of(header: Sequence[str]) -> list[str]:
    names: dict[str, int] = {}
    found = [name_of(_KNOWN.get(cell.strip().lower(), cell)) for cell in header]
    return [name if names.setdefault(name, at) == at else "" for at, name in enumerate(found)]


def delimiter_of(header: str) -> str:
    """What stands between the cells of a header: the commonest of comma, semicolon and tab."""
    bare = _QUOTED.sub("", header)
    return max(_DELIMITERS, key=bare.count)


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line; at least one."""
    if '"' in line:
        try:
            return next(csv.reader([line], delimiter=delimiter))
        except (csv.Error, StopIteration):
            pass  # not quoted as CSV is
    return line.split(delimiter)


def _is_numeric(columns: Mapping[str, Any]) -> bool:
    """Whether the steps, or for want of these any column, are numbers throughout: no header is among them."""
    import pyarrow as pa

    told_by = [columns[key] for key in (*STEP_KEYS, EPOCH) if key in columns] or list(columns.values())
    return any(pa.types.is_integer(one.type) or pa.types.is_floating(one.type) for one in told_by)


def _is_header(cells: Sequence[str], known: Sequence[str]) -> bool:
    """Whether a line is a header in the middle: the known one, or another that names steps."""
    if list(cells) == list(known):
        return True
    names_steps = not {*STEP_KEYS, EPOCH}.isdisjoint(_names_of(cells))
    return names_steps and len(cells) > 1 and not any(parse_number(cell) is not None for cell in cells)


def looks_like_csv_log(head: bytes) -> bool:
    """Whether a peeked-at file begins with a header that names steps or epochs, above columns of numbers."""
    lines = [line for line in head.decode("utf-8-sig", "replace").splitlines()[:20] if line.strip()]
    if len(lines) < 2 or "\0" in lines[0]:
        return False
    delimiter = delimiter_of(lines[0])
    names = _names_of(_cells(lines[0], delimiter))
    if {*STEP_KEYS, EPOCH}.isdisjoint(names):
        return False
    return any(
        name and name not in NO_METRICS and name != EPOCH and parse_number(cell) is not None
        for line in lines[1:]
        for name, cell in zip(names, _cells(line, delimiter), strict=False)
    )
