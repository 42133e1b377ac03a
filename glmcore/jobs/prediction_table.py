"""Answers of a tuned model beside the base's, row by row: sorted, searched, taken away as a table."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from glmcore.curves.numbers import FloatArray
from glmcore.curves.views.names import cell
from glmcore.jobs.answer_lines import ROW_SCORES, AnsweredRow, Answers, IntArray, row_of

BETTER_LOWER = ("loss",)
MOST_WORDS = 10  # of a search
ROWS_AT_ONCE = 500  # of an export
NUMBER_BITS = 22  # a row of the data has fewer answers than 2 to this
CSV_MARK = "\ufeff"  # by it spreadsheets know UTF-8

_Columns = dict["Side", dict[str, list[float | None]]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


class Side(StrEnum):
    """Whose score."""

    TUNED = "tuned"
    BASE = "base"
    DIFFERENCE = "difference"  # tuned less base


@dataclass(frozen=True, slots=True)
class PairedRow:
    """One row with both answers; `base` is None where the base has not answered it."""

    number: int
    prompt: str
    label: str
    tuned: str
    base: str | None


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """All rows that were read. A row is named by its place, from 0 in the order of the file.

    Attributes:
        partners: of each row, its place among those of the base; -1 where it is not there.
        num_unreadable: lines that were passed over.
        is_whole: whether all that is written so far was read.
    """

    tuned: Answers
    base: Answers | None
    partners: IntArray
    num_unreadable: int = 0
    is_whole: bool = True

    def __len__(self) -> int:
        return len(self.tuned)

    def scores(self, name: str, side: Side) -> FloatArray:
        """One number per row, NaN where there is none."""
        tuned = self.tuned.scores[name]
        if side is Side.TUNED:
            return tuned
        base = np.full(len(tuned), math.nan)
        if self.base is not None:
            has_partner = self.partners >= 0
            base[has_partner] = self.base.scores[name][self.partners[has_partner]]
        return base if side is Side.BASE else tuned - base

    def order(self, name: str, side: Side, *, is_worst_first: bool) -> IntArray:
        """Places by a score; equal ones in the order of the file, those without a score last."""
        values = self.scores(name, side)
        is_rising = is_worst_first != (name in BETTER_LOWER)
        return np.argsort(values if is_rising else -values, kind="stable")

    def search(self, text: str) -> BoolArray:
        """Which rows hold all words of a text, each in prompt, label or one of the answers."""
        words = text.casefold().split()[:MOST_WORDS]
        found = np.zeros((len(words), len(self)), dtype=bool)
        _mark(self.tuned, np.arange(len(self)), words, found, in_all=True)
        if self.base is not None:
            mine = np.flatnonzero(self.partners >= 0)
            _mark(self.base, mine, words, found, in_all=False, places=self.partners[mine])
        return np.asarray(found.all(axis=0))

    def rows(self, places: Sequence[int] | IntArray) -> list[PairedRow]:
        """Texts of some rows."""
        tuned = self.tuned.iter_rows(places)
        partners = [int(self.partners[place]) for place in places]
        there = [partner for partner in partners if partner >= 0]
        of_base = iter(self.base.iter_rows(there)) if self.base is not None else iter(())
        return [
            PairedRow(row.number, row.prompt, row.label, row.answer, _answer(partner, of_base))
            for row, partner in zip(tuned, partners, strict=True)
        ]

    def iter_csv(self, places: IntArray) -> Iterator[str]:
        """A table of some rows with all their scores, in pieces; no cell is taken for a formula."""
        texts = ["prompt", "label", "tuned", *(["base"] if self.base is not None else [])]
        titles = [f"{side}_{name}" for side in self._sides for name in ROW_SCORES]
        yield CSV_MARK + _lines([["row", *texts, *titles]])
        for rows, columns in self._iter_parts(places):
            scores = zip(
                *(column for of_side in columns.values() for column in of_side.values()), strict=True
            )
            yield _lines(
                [row.number, *(cell(getattr(row, name) or "") for name in texts), *numbers]
                for row, numbers in zip(rows, scores, strict=True)
            )

    def iter_jsonl(self, places: IntArray) -> Iterator[str]:
        """The same as objects, the texts letter by letter."""
        for rows, columns in self._iter_parts(places):
            for place, row in enumerate(rows):
                values: dict[str, Any] = {"row": row.number, "prompt": row.prompt, "label": row.label}
                values |= {"tuned": row.tuned} | ({"base": row.base} if self.base is not None else {})
                for side, of_side in columns.items():
                    values[f"{side}_scores"] = {name: column[place] for name, column in of_side.items()}
                yield json.dumps(values, ensure_ascii=False) + "\n"

    @property
    def _sides(self) -> list[Side]:
        return list(Side) if self.base is not None else [Side.TUNED]

    def _iter_parts(self, places: IntArray) -> Iterator[tuple[list[PairedRow], _Columns]]:
        """Some rows at once, with their scores; None for what is no number."""
        columns = {side: {name: self.scores(name, side) for name in ROW_SCORES} for side in self._sides}
        for first in range(0, len(places), ROWS_AT_ONCE):
            some = places[first : first + ROWS_AT_ONCE]
            yield (
                self.rows(some),
                {
                    side: {name: _plain(column[some]) for name, column in of_side.items()}
                    for side, of_side in columns.items()
                },
            )


def pair(tuned: Answers, base: Answers | None, num_unreadable: int, is_whole: bool) -> PredictionTable:
    """Both answers to the same row of the data: of a conversation the first to the first, and so on."""
    partners = np.full(len(tuned), -1, dtype=np.int64)
    if base is not None:
        _, ours, theirs = np.intersect1d(
            _keys(tuned.numbers), _keys(base.numbers), assume_unique=True, return_indices=True
        )
        partners[ours] = theirs
    return PredictionTable(tuned, base, partners, num_unreadable, is_whole)


def _keys(numbers: IntArray) -> IntArray:
    """A number of its own for each row: that of the data, and how often it was there before."""
    order = np.argsort(numbers, kind="stable")
    in_order = numbers[order]
    is_first = np.ones(len(numbers), dtype=bool)
    is_first[1:] = in_order[1:] != in_order[:-1]
    places = np.arange(len(numbers))
    firsts = np.maximum.accumulate(np.where(is_first, places, 0))
    keys = np.empty(len(numbers), dtype=np.int64)
    keys[order] = (in_order << NUMBER_BITS) + (places - firsts)
    return keys


def _mark(
    answers: Answers,
    targets: IntArray,
    words: Sequence[str],
    found: BoolArray,
    *,
    in_all: bool,
    places: IntArray | None = None,
) -> None:
    """Mark where words occur; of the base's rows only the answer is looked through."""
    escaped = [json.dumps(word, ensure_ascii=False)[1:-1] for word in words]
    lines = answers.iter_lines(targets if places is None else places)
    for target, line in zip(targets, lines, strict=False):
        written = line.decode("utf-8", "replace").casefold()
        # Reading a line takes ten times as long as looking for words in it.
        if "\\u" not in written and not any(word in written for word in escaped):
            continue
        row = row_of(line)
        text = f"{row.prompt}\n{row.label}\n{row.answer}" if in_all else row.answer
        text = text.casefold()
        for number, word in enumerate(words):
            if word in text:
                found[number, target] = True


def _answer(partner: int, of_base: Iterator[AnsweredRow]) -> str | None:
    return next(of_base, AnsweredRow()).answer if partner >= 0 else None


def _plain(values: FloatArray) -> list[float | None]:
    rounded: list[float] = np.round(values, 6).tolist()
    return [None if math.isnan(value) else value for value in rounded]


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
