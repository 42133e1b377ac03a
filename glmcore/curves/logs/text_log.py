"""Text logs: the dicts that a Trainer prints, `{'loss': 2.1, 'epoch': 0.1}`, wherever they stand in a line.

Such a dict names no step; the progress bar beside it does. Nothing is evaluated: two regular expressions
find what looks right, in time linear in the length of the log.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import TOTAL_STEPS, Rows
from glmcore.curves.metric_names import EPOCH, STEP_KEYS
from glmcore.curves.numbers import parse_number
from glmcore.curves.table import Block

LONGEST_LINE = 1 << 20
LONGEST_WAIT = 64 << 10  # bytes behind a row in which its bar may follow

_DICT_OR_BAR = re.compile(rb"(\{[^{}\r\n]{2,20000}\})|(?<![\d.])(\d{1,12})/(\d{1,12}) \[\d")
_PAIR = re.compile(
    r"""['"]([^'"\r\n]{1,200})['"] {0,4}: {0,4}['"]?(?:np\.float\d{1,3}\(|tensor\()?([^'",{}()\s]{1,40})"""
)
_ROW_KEYS = frozenset((*STEP_KEYS, EPOCH))
# tqdm clears its bar before a row and draws it anew behind it; for an evaluation inside it goes up a line.
_CLEARED = (b"\r", b"\x1b[A")


@dataclass(frozen=True, slots=True)
class _Found:
    """A row or a bar, where it begins (with what cleared the line before it) and ends."""

    begin: int
    end: int
    row: Mapping[str, str] | None = None
    bar: tuple[int, int] | None = None  # step, total
    is_behind_clearing: bool = False


class TextLog:
    """A `Parser` of any text with such dicts in it.

    Bars of evaluations and of preparations have other totals than the training's. That is the total of the
    bar which tqdm draws anew behind a row; in logs without such, the largest seen so far, but none that was
    full before the first row.
    """

    def __init__(self, memory: Mapping[str, Any] | None = None) -> None:
        known = {"step": None, "total": None, "is_total_sure": False, "has_rows": False, "last_row": None}
        self.memory: dict[str, Any] = known | dict(memory or {})
        self.problems = Problems()

    def parse(self, data: bytes, *, at_end: bool) -> tuple[Block, int]:
        rows = Rows(self.problems, self.memory)
        used = max(data.rfind(b"\n") + 1, data.rfind(b"\r"), 0)  # the \r tells of a clearing: it stays
        if at_end or len(data) - used > LONGEST_LINE:
            used = len(data)
        found = _find(data)
        for one, following in zip_longest(found, found[1:]):
            if one.bar:
                self._see_bar(*one.bar)
            elif one.row:
                is_near_end = not at_end and len(data) - one.begin < LONGEST_WAIT
                if following is None and one.is_behind_clearing and self.memory["total"] and is_near_end:
                    return rows.block(), one.begin  # its bar is still to come
                if following and following.bar and one.is_behind_clearing:
                    self.memory["total"], self.memory["is_total_sure"] = following.bar[1], True
                    self._see_bar(*following.bar)
                self._take(rows, one.row)
            used = max(used, one.end)
        return rows.block(), used

    def _see_bar(self, step: int, total: int) -> None:
        known, reached = self.memory["total"], self.memory["step"]
        is_new = known is None or (
            not self.memory["is_total_sure"]
            and (total > known or (not self.memory["has_rows"] and reached is not None and reached >= known))
        )
        if is_new or total == known:
            self.memory["step"], self.memory["total"] = step, total

    def _step_of(self, row: Mapping[str, str]) -> float | None:
        """The bar's step; of rows without a bar between them, as far on as the epoch went on."""
        bar: float | None = self.memory["step"]
        step, epoch = bar, parse_number(row.get(EPOCH))
        if bar is None or epoch is None or not math.isfinite(epoch):
            return bar
        if self.memory["last_row"] and self.memory["last_row"][0] == bar:  # the bar is not in this log
            _, last_step, last_epoch = self.memory["last_row"]
            if epoch > last_epoch:
                is_scaled = last_step > 0 and last_epoch > 0
                step = round(last_step * epoch / last_epoch) if is_scaled else last_step + 1
            else:
                step = last_step
        self.memory["last_row"] = [bar, step, epoch]
        return step

    def _take(self, rows: Rows, row: Mapping[str, str]) -> None:
        rows.add(row, self._step_of(row))
        self.memory["has_rows"] = True
        if self.memory["total"]:
            self.memory[TOTAL_STEPS] = float(self.memory["total"])


def _find(data: bytes) -> list[_Found]:
    """The rows and bars in the order they were written."""
    found = []
    for match in _DICT_OR_BAR.finditer(data):
        begin, end = match.span()
        if match[1] is None:
            found.append(_Found(begin, end, bar=(int(match[2]), int(match[3]))))
        elif row := _row_of(match[1]):
            cleared = next((mark for mark in _CLEARED if data.endswith(mark, 0, begin)), b"")
            found.append(_Found(begin - len(cleared), end, row=row, is_behind_clearing=bool(cleared)))
    return found


def _row_of(text: bytes) -> dict[str, str] | None:
    """What a dict logs; None where it is none of a training, such as a printed config."""
    row = dict(_PAIR.findall(text.decode("utf-8", "replace")))
    is_row = any(
        ("loss" in key or key in _ROW_KEYS) and parse_number(value) is not None for key, value in row.items()
    )
    return row if is_row else None


def looks_like_text_log(head: bytes) -> bool:
    """Whether a peeked-at part of a file has a dict with a loss in it."""
    return any(found.row and any("loss" in key for key in found.row) for found in _find(head))
