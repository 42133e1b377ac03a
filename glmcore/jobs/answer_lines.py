"""A file of answered rows, read as it grows: numbers stay in memory, texts in the file.

A hundred thousand rows take some ten megabytes. Lines that are none of ours are counted and passed over.
"""

import json
import math
import os
import stat
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from glmcore.curves.numbers import FloatArray, parse_number
from glmcore.curves.views.names import encodable

ROW_SCORES = ("bleu-4", "rouge-1", "rouge-2", "rouge-l", "bleu", "chrf", "loss")
TEXTS = ("prompt", "labels", "predict")
CHUNK_BYTES = 1 << 20
LONGEST_LINE = 4 << 20  # bytes; no answer is so long
LARGEST_NUMBER = 1 << 40

IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """A row of the data, and what was answered. `number` is where a person finds it in the file."""

    number: int = 0
    prompt: str = ""
    label: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """The rows that were read so far, in their order: `numbers`, `begins` … have one entry for each."""

    path: Path
    numbers: IntArray
    begins: IntArray  # bytes from the beginning of the file
    lengths: IntArray
    scores: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.numbers)

    def iter_lines(self, places: Sequence[int] | IntArray) -> Iterator[bytes]:
        """The lines of some rows; empty ones where the file has gone or was cut."""
        try:
            with self.path.open("rb") as file:
                for place in places:
                    file.seek(int(self.begins[place]))
                    yield file.read(int(self.lengths[place]))
        except OSError:
            return

    def iter_rows(self, places: Sequence[int] | IntArray) -> Iterator[AnsweredRow]:
        """Texts of some rows; empty ones for what cannot be read any more."""
        count = 0
        for line in self.iter_lines(places):
            count += 1
            yield row_of(line)
        for _ in range(len(places) - count):
            yield AnsweredRow()


class AnswerLines:
    """One file, and how far it was read. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, _Read()
        self._seen: Answers | None = None

    @property
    def num_unreadable(self) -> int:
        return self._read.num_unreadable

    def read(self, deadline: float = math.inf) -> bool:
        """Take what was appended until `time.monotonic()` passes the deadline; whether nothing is left."""
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):
                return True
            with self._path.open("rb", buffering=0) as file:
                facts = os.fstat(file.fileno())
                if facts.st_ino != self._read.inode or facts.st_size < self._read.line_at:
                    self._read, self._seen = _Read(facts.st_ino), None
                self._read.rest = b""  # a half line may be cut off and another one written
                file.seek(self._read.line_at)
                begun_at = self._read.line_at
                while data := file.read(CHUNK_BYTES):
                    self._read.take(data)
                    self._seen = None
                    if self._read.line_at > begun_at and time.monotonic() >= deadline:
                        return self._read.end >= facts.st_size
        except OSError:  # it has gone: what was read is kept
            pass
        return True

    def answers(self) -> Answers:
        if self._seen is None:
            self._seen = self._read.answers(self._path)
        return self._seen


@dataclass(slots=True)
class _Read:
    """What was read of a file.

    Attributes:
        line_at: where the line begins that is not whole yet.
        rest: of that line, what was read in this call.
        is_skipping: that line is too long; its end is looked for.
    """

    inode: int = 0
    line_at: int = 0
    rest: bytes = b""
    is_skipping: bool = False
    num_unreadable: int = 0
    numbers: "array[int]" = field(default_factory=lambda: array("q"))
    begins: "array[int]" = field(default_factory=lambda: array("q"))
    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    scores: "dict[str, array[float]]" = field(
        default_factory=lambda: {name: array("d") for name in ROW_SCORES}
    )

    @property
    def end(self) -> int:
        return self.line_at + len(self.rest)

    def take(self, data: bytes) -> None:
        """Take the bytes after the end."""
        data, begin = self.rest + data, 0
        while (end := data.find(b"\n", begin)) >= 0:
            self._take_line(data[begin:end])
            self.line_at += end + 1 - begin
            begin = end + 1
        self.rest = data[begin:]
        if len(self.rest) > LONGEST_LINE:
            self.is_skipping = True
            self.line_at, self.rest = self.end, b""

    def _take_line(self, line: bytes) -> None:
        values = None if self.is_skipping else _values(line)
        if values is None:
            self.num_unreadable += self.is_skipping or bool(line.strip())
            self.is_skipping = False
            return
        self.numbers.append(values["row"])
        self.begins.append(self.line_at)
        self.lengths.append(len(line))
        scores = {**values["scores"], "loss": values.get("loss")}
        for name, column in self.scores.items():
            column.append(_number(scores.get(name)))

    def answers(self, path: Path) -> Answers:
        """A copy that what is read later does not change."""
        return Answers(
            path,
            np.array(self.numbers, np.int64),
            np.array(self.begins, np.int64),
            np.array(self.lengths, np.int64),
            {name: np.array(column, np.float64) for name, column in self.scores.items()},
        )


def row_of(line: bytes) -> AnsweredRow:
    """The texts of a line; none of one that is not ours."""
    values = _values(line)
    if values is None:
        return AnsweredRow()
    return AnsweredRow(values["row"], *(encodable(values[name]) for name in TEXTS))


def _values(line: bytes) -> dict[str, Any] | None:
    """What `predict` has written; None for anything else."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("scores"), dict):
        return None
    number = values.get("row")
    if type(number) is not int or not 0 <= number < LARGEST_NUMBER:
        return None
    return values if all(isinstance(values.get(name), str) for name in TEXTS) else None


def _number(value: Any) -> float:
    if type(value) is float:  # nearly all
        return value if math.isfinite(value) else math.nan
    number = parse_number(value)
    return number if number is not None and math.isfinite(number) else math.nan
