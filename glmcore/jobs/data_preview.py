"""Data files looked at by people: columns and what they are for, rows page by page, how many there are.

Values are shortened as they are read, so memory holds what can be shown and not what a file may hold.
"""

import json
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from glmcore.core.errors import DataError
from glmcore.core.i18n import mark
from glmcore.jobs.text_encoding import guess_encoding
from glmcore.tuning.data.columns import Columns, find_columns
from glmcore.tuning.data.rows import ROWS_FOR_NAMES, iter_rows
from glmcore.tuning.job_config.fields import DataConfig

LONGEST_VALUE = 400  # characters that are shown
MOST_COLUMNS = 60  # that are shown
MOST_COUNTED, COUNT_SECONDS = 100_000, 0.3  # what a page waits for
BLOCK = 100  # rows that are read and kept together
KEPT_BLOCKS, KEPT_FILES = 40, 16
KINDS = {
    str: mark("text"),
    bool: mark("true or false"),
    int: mark("number"),
    float: mark("number"),
    list: mark("list"),
    dict: mark("object"),
}
OTHER, EMPTY = mark("other"), mark("empty")

Made = TypeVar("Made")
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """A column: what kind of values most of its rows have, as a text of the catalogue, and one of them."""

    name: str
    kind: str
    sample: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLook:
    """What the first rows of a file show, and how many there are.

    Attributes:
        is_counted: `num_rows` is all of them; else there are more.
        likely_encoding: as its bytes tell.
        fault: where reading ended before the end of what was looked at.
    """

    columns: tuple[ColumnLook, ...]
    num_rows: int
    is_counted: bool
    likely_encoding: str
    fault: DataError | None = None

    @property
    def shown_columns(self) -> tuple[ColumnLook, ...]:
        """Those that the rows of a page have values for."""
        return self.columns[:MOST_COLUMNS]

    def roles(self, data: DataConfig, path: Path) -> Columns:
        """Which column is what, as a run would have it. Raises DataError, as it would."""
        return find_columns([column.name for column in self.columns], data, path)


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with its line, or its place in an array; values shortened, None where there is none."""

    number: int
    values: dict[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows that follow each other; fewer than asked for at the end, or before a broken one."""

    rows: tuple[ShownRow, ...]
    has_more: bool
    fault: DataError | None = None


class DataPreview:
    """Keeps what was read of the files looked at last, until they change. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: OrderedDict[Key, FileLook] = OrderedDict()
        self._windows: OrderedDict[Key, _Window] = OrderedDict()

    def look(self, path: Path, encoding: str) -> FileLook:
        """Raises DataError where there is no such file."""
        return self._kept(self._looks, path, encoding, lambda: _look(path, encoding))

    def rows(self, path: Path, encoding: str, start: int, count: int) -> Page:
        """Rows from a place counted from 0. Raises DataError where there is no such file."""
        window = self._kept(self._windows, path, encoding, lambda: _Window(path, encoding))
        return window.page(start, count)

    def _kept(
        self, kept: "OrderedDict[Key, Made]", path: Path, encoding: str, make: Callable[[], Made]
    ) -> Made:
        try:
            stat = path.stat()
        except OSError as fault:
            raise DataError(
                "{path} cannot be read: {fault}.", path=path, fault=fault.strerror or fault
            ) from fault
        key = (path, stat.st_size, stat.st_mtime_ns, encoding)
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = make()  # two may make the same at once, which costs little
        with self._lock:
            kept[key] = made
            while len(kept) > KEPT_FILES:
                kept.popitem(last=False)
        return made


class _Window:
    """The rows of one file in blocks; reading goes on where it stopped, the blocks read last are kept."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path, self._encoding = path, encoding
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, tuple[ShownRow, ...]] = OrderedDict()
        self._begin()

    def page(self, start: int, count: int) -> Page:
        first, last = start // BLOCK, (start + count) // BLOCK  # one row more, to know whether there is one
        with self._lock:
            blocks = [self._block(number) for number in range(first, last + 1)]
            fault = self._fault
        found = [row for block in blocks for row in block][start - first * BLOCK :]
        has_more = len(found) > count
        return Page(rows=tuple(found[:count]), has_more=has_more, fault=None if has_more else fault)

    def _begin(self) -> None:
        self._rows = iter_rows(self._path, self._encoding)
        self._next = 0  # the block that comes next
        self._fault: DataError | None = None

    def _block(self, number: int) -> tuple[ShownRow, ...]:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        if number < self._next:  # read once and forgotten
            self._begin()
        while self._next <= number:
            self._blocks[self._next] = tuple(self._read_block())
            self._blocks.move_to_end(self._next)
            self._next += 1
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[number]

    def _read_block(self) -> Iterator[ShownRow]:
        try:
            for row in islice(self._rows, BLOCK):
                shown = islice(row.values.items(), MOST_COLUMNS)
                yield ShownRow(row.number, {shown_text(name): _shown(value) for name, value in shown})
        except DataError as fault:
            self._fault = fault


def _look(path: Path, encoding: str) -> FileLook:
    """One pass over the file, which ends when it takes too long."""
    names: dict[str, Counter[str]] = {}  # kinds of the values of each column
    samples: dict[str, str] = {}
    number, fault, is_counted = 0, None, True
    began = time.monotonic()
    try:
        for number, row in enumerate(iter_rows(path, encoding), start=1):
            if number <= ROWS_FOR_NAMES:  # as many as a run looks at
                for name, value in row.values.items():
                    names.setdefault(name, Counter())[_kind(value)] += 1
                    if name not in samples and (text := _shown(value)):
                        samples[name] = text
            elif number >= MOST_COUNTED or time.monotonic() - began > COUNT_SECONDS:
                is_counted = False
                break
    except DataError as found:
        fault = found
    columns = (
        ColumnLook(shown_text(name), _usual(kinds), samples.get(name, "")) for name, kinds in names.items()
    )
    return FileLook(
        columns=tuple(columns),
        num_rows=number,
        is_counted=is_counted and fault is None,
        likely_encoding=_likely_encoding(path, encoding),
        fault=fault,
    )


def _likely_encoding(path: Path, encoding: str) -> str:
    try:
        return guess_encoding(path)
    except OSError:
        return encoding


def _kind(value: Any) -> str:
    if value is None or value == "" or value != value:
        return EMPTY
    return KINDS.get(type(value), OTHER)


def _usual(kinds: Counter[str]) -> str:
    """The kind of most values that are there."""
    return next((kind for kind, _ in kinds.most_common() if kind != EMPTY), EMPTY)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    is_json = isinstance(value, (bool, int, float, list, dict))
    return shown_text(json.dumps(value, ensure_ascii=False, default=str) if is_json else str(value))


def shown_text(text: str) -> str:
    """What a browser can be sent of a text: not too much, and no half characters."""
    cut = text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
    return cut.encode("utf-8", "replace").decode()
