"""Curves in characters, for a terminal: a small chart, a sparkline, and names that cannot drive the terminal.

A cell of the chart is a braille character, 2 dots wide and 4 high. Every column of dots shows the least and
the greatest of its points, so that a spike of one step stays. Where there are no colours, the first line is
drawn in dots and the others over it in characters of their own.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from glmcore.curves.numbers import FloatArray, as_floats
from glmcore.curves.text_ticks import choose_ticks, plain_number

Dots = NDArray[np.bool_]
Cell: TypeAlias = tuple[str, int | None]  # a character and the number of its colour

LONGEST_NAME = 40  # places
_LONGEST_READ = 1000  # letters of a name that are looked at
_MOST_NAMED = 40  # lines in the legend
_WIDTHS, _HEIGHTS = (24, 400), (2, 100)
# Colour sequences, titles and other orders to a terminal; what is left of broken ones is harmless text.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]")
# Controls, directions of writing, halves of pairs, private letters, line ends of Unicode.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_BIT_OF_DOT = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # rows of a braille cell
_MARKS = "ox+#%@"
_ASCII_MARKS = "*" + _MARKS
_COLORS = (36, 33, 35, 32, 34, 31, 96, 93, 95, 92, 94, 91)
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve of a chart; `x` and `y` have shape (N,), `y` may hold NaN and infinities."""

    label: str
    x: FloatArray
    y: FloatArray
    color: int = 0


@dataclass(frozen=True, slots=True)
class _Style:
    """How a chart is drawn where characters or colours are few."""

    ascii_only: bool
    has_colors: bool

    def mark(self, number: int) -> str:
        """The character that a line is drawn with; empty for dots."""
        if self.ascii_only:
            return _ASCII_MARKS[number % len(_ASCII_MARKS)]
        return "" if self.has_colors or number == 0 else _MARKS[(number - 1) % len(_MARKS)]

    def colored(self, text: str, color: int) -> str:
        return f"\x1b[{_COLORS[color % len(_COLORS)]}m{text}\x1b[0m" if self.has_colors else text

    def joined(self, cells: Sequence[Cell]) -> str:
        parts = []
        for color, alike in groupby(cells, key=itemgetter(1)):
            text = "".join(letter for letter, _ in alike)
            parts.append(text if color is None else self.colored(text, color))
        return "".join(parts).rstrip()

    @property
    def not_finite(self) -> str:
        return "!" if self.ascii_only else "×"


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A line's points in the order of x; those that can be drawn have a `y` that is a number.

    Attributes:
        y: shape (N,), on the scale of the chart; NaN for what is not finite or has no logarithm.
        broken: shape (N,), what is not finite.
        num_without_log: points that are numbers but not positive, on a logarithmic scale.
    """

    x: FloatArray
    y: FloatArray
    broken: Dots
    num_without_log: int


def draw(
    lines: Sequence[Line],
    width: int = 72,
    height: int = 12,
    is_log: bool = False,
    ascii_only: bool = False,
    has_colors: bool = False,
    format_x: Callable[[float], str] = plain_number,
) -> str:
    """Several curves in one frame, with labels, the range of x and a legend.

    Args:
        width: of the whole, in places of the terminal.
        height: of the frame, in lines; the range of x and the legend come below.
        ascii_only: where the terminal knows no braille.
    """
    width, height = int(np.clip(width, *_WIDTHS)), int(np.clip(height, *_HEIGHTS))
    style = _Style(ascii_only, has_colors)
    placed = [_place(line, is_log) for line in lines]
    legend = _legend(lines, placed, style, width)
    drawn = [one.y[np.isfinite(one.y)] for one in placed]
    drawn = [values for values in drawn if len(values)]
    if not drawn:
        return "\n".join(legend)
    y_low, y_high = min(float(values.min()) for values in drawn), max(float(values.max()) for values in drawn)
    ticks = choose_ticks(y_low, y_high, max(2, height // 2), is_log)
    gutter = max(len(label) for _, label in ticks)
    columns = width - gutter - 2
    x_low, x_high = _range_of([one.x for one in placed])
    grids = [
        (_fractions(one.x, x_low, x_high), _fractions(one.y, y_low, y_high), np.cumsum(one.broken))
        for one in placed
    ]
    cells = _cells(lines, grids, style, height, columns)
    edge, corner, floor, notch = "|+-+" if ascii_only else "│└─┤"
    names: dict[int, str] = {}
    for value, label in ticks:
        fraction = _fractions(as_floats([value]), y_low, y_high)
        names.setdefault(int(_nearest(1 - fraction, height)[0]), label)
    rows = [
        f"{names.get(number, ''):>{gutter}} {notch if number in names else edge}{style.joined(row)}"
        for number, row in enumerate(cells)
    ]
    bottom: list[Cell] = [(floor, None)] * columns
    for line, one, (places, _, _) in zip(lines, placed, grids, strict=True):
        for column in np.unique(_nearest(places[one.broken], columns)):
            bottom[column] = style.not_finite, line.color
    rows.append(" " * (gutter + 1) + corner + style.joined(bottom))
    rows.append(" " * (gutter + 2) + _ends(format_x(x_low), format_x(x_high), columns))
    return "\n".join([*rows, *legend])


def sparkline(values: FloatArray, width: int = 20) -> str:
    """A curve in one line of blocks; of the points that share a place the most unusual is shown."""
    finite = values[np.isfinite(values)]
    if not len(values) or width < 1:
        return ""
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    middle = float(np.median(_fractions(finite, low, high))) if len(finite) else 0.0
    text = ""
    for part in np.array_split(values, min(width, len(values))):
        if not np.isfinite(part).all():
            text += "×"
            continue
        heights = _fractions(part, low, high)
        chosen = heights[np.argmax(np.abs(heights - middle))]
        text += _BLOCKS[int(_nearest(as_floats([chosen]), len(_BLOCKS))[0])]
    return text


def shown_name(text: str, width: int = LONGEST_NAME) -> str:
    """A name of a log on one line, cut to so many places, without what a terminal takes for an order."""
    text = _SEQUENCE.sub("", text[:_LONGEST_READ])
    text = "".join(" " if letter in "\t\r\n" else letter for letter in text)
    text = "".join(letter for letter in text if unicodedata.category(letter) not in _UNSEEN)
    if text_width(text) <= width and len(text) <= 4 * width:
        return text
    kept, places = "", 1
    for letter in text[: 4 * width]:  # accents take no place, but not without end
        places += text_width(letter)
        if places > width:
            break
        kept += letter
    return kept + "…"


def text_width(text: str) -> int:
    """Places in a terminal: Chinese characters take two, accents none."""
    return sum(map(_letter_width, text))


def _letter_width(letter: str) -> int:
    if letter.isascii():
        return 1
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _place(line: Line, is_log: bool) -> _Placed:
    length = min(len(line.x), len(line.y))
    x, y = as_floats(line.x[:length]), as_floats(line.y[:length])
    usable = np.isfinite(x)
    if not usable.all():
        x, y = x[usable], y[usable]
    if not bool(np.all(x[1:] >= x[:-1])):  # clocks that went back
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    broken = ~np.isfinite(y)
    hidden = ~broken & (y <= 0) if is_log else np.zeros(len(y), dtype=np.bool_)
    y = np.where(broken | hidden, np.nan, y)
    return _Placed(x, np.log10(y) if is_log else y, broken, int(hidden.sum()))


def _range_of(arrays: Sequence[FloatArray]) -> tuple[float, float]:
    filled = [array for array in arrays if len(array)]
    return min(float(array[0]) for array in filled), max(float(array[-1]) for array in filled)


def _fractions(values: FloatArray, low: float, high: float) -> FloatArray:
    """Where values lie from `low` to `high`: 0 to 1; halves of both, as the whole range may be infinite."""
    span = high / 2 - low / 2
    if span <= 0:
        return np.where(np.isfinite(values), 0.5, np.nan)
    return np.clip((values / 2 - low / 2) / span, 0.0, 1.0)


def _nearest(fractions: FloatArray, count: int) -> NDArray[np.int64]:
    """The numbers, from 0, of the `count` equal parts that fractions fall on."""
    return np.rint(fractions * (count - 1)).astype(np.int64)


def _cells(
    lines: Sequence[Line],
    grids: Sequence[tuple[FloatArray, FloatArray, NDArray[np.int64]]],
    style: _Style,
    height: int,
    columns: int,
) -> list[list[Cell]]:
    """What is in the frame; a later line lies above an earlier one."""
    cells: list[list[Cell]] = [[(" ", None)] * columns for _ in range(height)]
    bits = np.zeros((height, columns), dtype=np.int64)
    for number, (line, (x, y, num_broken)) in enumerate(zip(lines, grids, strict=True)):
        mark = style.mark(number)
        across, down = (1, 1) if mark else (2, 4)
        dots = _dots(x, y, num_broken, height * down, columns * across)
        if not mark:
            parts = dots.reshape(height, 4, columns, 2)
            dots = parts.any(axis=(1, 3))
            bits |= np.einsum("hrwc,rc->hw", parts, np.array(_BIT_OF_DOT))
        for row, column in np.argwhere(dots):
            cells[row][column] = mark or chr(0x2800 + int(bits[row, column])), line.color
    return cells


def _dots(x: FloatArray, y: FloatArray, num_broken: NDArray[np.int64], rows: int, columns: int) -> Dots:
    """Which dots a line takes; row 0 is the top. Lines are not drawn over points that are not finite."""
    dots = np.zeros((rows, columns), dtype=np.bool_)
    shown = np.flatnonzero(np.isfinite(y))
    if not len(shown):
        return dots
    at, heights = _nearest(x[shown], columns), _nearest(1 - y[shown], rows)
    starts = np.flatnonzero(np.diff(at, prepend=-1))
    ends = np.append(starts[1:], len(at)) - 1
    tops, bottoms = np.minimum.reduceat(heights, starts), np.maximum.reduceat(heights, starts)
    for column, top, bottom in zip(at[starts], tops, bottoms, strict=True):
        dots[top : bottom + 1, column] = True
    for last, first in zip(ends[:-1], starts[1:], strict=True):
        if num_broken[shown[last]] == num_broken[shown[first]]:
            length = max(at[first] - at[last], abs(heights[first] - heights[last])) + 1
            between = np.linspace(0.0, 1.0, int(length))
            down = np.rint(heights[last] + between * (heights[first] - heights[last])).astype(np.int64)
            dots[down, np.rint(at[last] + between * (at[first] - at[last])).astype(np.int64)] = True
    return dots


def _ends(left: str, right: str, columns: int) -> str:
    """Two labels at the ends of a line; one where they are the same or do not fit."""
    blank = columns - text_width(left) - text_width(right)
    return left if left == right or blank < 1 else left + " " * blank + right


def _legend(lines: Sequence[Line], placed: Sequence[_Placed], style: _Style, width: int) -> list[str]:
    """Names beside their characters, and how many points could not be drawn."""
    rows: list[str] = []
    taken = width
    for length, entry in _legend_entries(lines, placed, style):
        if taken + 2 + length > width:
            rows.append(entry)
            taken = length
        else:
            rows[-1] += "  " + entry
            taken += 2 + length
    return rows


def _legend_entries(
    lines: Sequence[Line], placed: Sequence[_Placed], style: _Style
) -> Iterator[tuple[int, str]]:
    """Places and text of each entry."""
    for number, (line, one) in enumerate(zip(lines[:_MOST_NAMED], placed, strict=False)):
        sign = style.mark(number) or "━"
        name = shown_name(line.label)
        if num_broken := int(one.broken.sum()):
            name += f" ({style.not_finite} NaN/Inf: {num_broken})"
        if one.num_without_log:
            name += f" (≤0: {one.num_without_log})" if not style.ascii_only else f" (<=0: {one.num_without_log})"
        yield 2 + text_width(name), f"{style.colored(sign, line.color)} {name}"
    if len(lines) > _MOST_NAMED:
        more = f"+{len(lines) - _MOST_NAMED}"
        yield len(more), more


def is_drawable(encoding: str | None) -> bool:
    """Whether braille and frames can be written in an encoding."""
    try:
        "⣿│×━".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

