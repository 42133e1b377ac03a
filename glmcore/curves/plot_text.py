"""Curves in characters, for a terminal: a small chart, and a sparkline.

A cell of the chart is a braille character, 2 dots wide and 4 high. Every column of dots shows the least and
the greatest of its points, so that a spike of one step stays. Where there are no colours, the first line is
drawn in dots and the others over it in characters of their own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from glmcore.curves.numbers import FloatArray, as_floats
from glmcore.curves.text_names import shown_name, text_width
from glmcore.curves.text_ticks import choose_ticks, plain_number

Dots = NDArray[np.bool_]
Places = NDArray[np.int64]
Cell: TypeAlias = tuple[str, int | None]  # a character and the number of its colour

_MOST_NAMED = 40  # lines in the legend
_WIDTHS, _HEIGHTS = (24, 400), (2, 100)
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
    labels = {_row(value, y_low, y_high, height): label for value, label in reversed(ticks)}
    gutter = max(map(len, labels.values()))
    columns = width - gutter - 2
    x_low, x_high = _range_of([one.x for one in placed])
    grids = [
        (_fractions(one.x, x_low, x_high), _fractions(one.y, y_low, y_high), one.broken) for one in placed
    ]
    cells = _cells(lines, grids, style, height, columns)
    rows = _framed(cells, labels, style)
    floor: list[Cell] = [("-" if ascii_only else "─", None)] * columns
    for line, one, (places, _, _) in zip(lines, placed, grids, strict=True):
        for column in np.unique(_nearest(places[one.broken], columns)):
            floor[column] = style.not_finite, line.color
    rows.append(" " * (gutter + 1) + ("+" if ascii_only else "└") + style.joined(floor))
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


def _nearest(fractions: FloatArray, count: int) -> Places:
    """The numbers, from 0, of the `count` equal parts that fractions fall on."""
    return np.rint(fractions * (count - 1)).astype(np.int64)


def _cells(
    lines: Sequence[Line],
    grids: Sequence[tuple[FloatArray, FloatArray, Dots]],
    style: _Style,
    height: int,
    columns: int,
) -> list[list[Cell]]:
    """What is in the frame; a later line lies above an earlier one."""
    cells: list[list[Cell]] = [[(" ", None)] * columns for _ in range(height)]
    bits = np.zeros((height, columns), dtype=np.int64)
    for number, (line, (x, y, broken)) in enumerate(zip(lines, grids, strict=True)):
        mark = style.mark(number)
        across, down = (1, 1) if mark else (2, 4)
        dots = _dots(x, y, broken, height * down, columns * across)
        if not mark:
            parts = dots.reshape(height, 4, columns, 2)
            dots = np.any(parts, axis=(1, 3))
            bits |= np.einsum("hrwc,rc->hw", parts, np.array(_BIT_OF_DOT))
        for row, column in np.argwhere(dots):
            cells[row][column] = mark or chr(0x2800 + int(bits[row, column])), line.color
    return cells


def _framed(cells: Sequence[Sequence[Cell]], labels: Mapping[int, str], style: _Style) -> list[str]:
    """The rows with the scale at their left; `labels` by the number of the row."""
    gutter = max(map(len, labels.values()))
    edge, notch = "|+" if style.ascii_only else "│┤"
    return [
        f"{labels.get(number, ''):>{gutter}} {notch if number in labels else edge}{style.joined(row)}"
        for number, row in enumerate(cells)
    ]


def _row(value: float, low: float, high: float, height: int) -> int:
    """The number of the row, from the top, that a value stands in."""
    return int(_nearest(1 - _fractions(as_floats([value]), low, high), height)[0])


def _dots(x: FloatArray, y: FloatArray, broken: Dots, rows: int, columns: int) -> Dots:
    """Which dots a line takes; row 0 is the top. Lines are not drawn over points that are not finite."""
    dots = np.zeros((rows, columns), dtype=np.bool_)
    shown = np.flatnonzero(np.isfinite(y))
    if not len(shown):
        return dots
    x, y = x[shown], y[shown]
    borders = np.append((np.arange(columns) - 0.5) / max(1, columns - 1), np.inf)
    limits = np.searchsorted(x, borders)
    at = np.flatnonzero(np.diff(limits))  # columns that have points, and the places of their points
    starts, ends = limits[at], limits[at + 1] - 1
    greatest, least = np.maximum.reduceat(y, starts), np.minimum.reduceat(y, starts)
    for column, top, bottom in zip(at, _nearest(1 - greatest, rows), _nearest(1 - least, rows), strict=True):
        dots[top : bottom + 1, column] = True
    lasts, firsts = _nearest(1 - y[ends], rows), _nearest(1 - y[starts], rows)
    num_broken = np.cumsum(broken)[shown] if broken.any() else np.zeros(len(shown))
    is_joined = num_broken[ends[:-1]] == num_broken[starts[1:]]
    for left, right, last, first in zip(
        at[:-1][is_joined], at[1:][is_joined], lasts[:-1][is_joined], firsts[1:][is_joined], strict=True
    ):
        between = np.linspace(0.0, 1.0, int(max(right - left, abs(first - last))) + 1)
        down = np.rint(last + between * (first - last)).astype(np.int64)
        dots[down, np.rint(left + between * (right - left)).astype(np.int64)] = True
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
            name += (
                f" (≤0: {one.num_without_log})" if not style.ascii_only else f" (<=0: {one.num_without_log})"
            )
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
