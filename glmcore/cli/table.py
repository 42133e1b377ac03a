"""Rows of text in columns of equal width, for a terminal."""

from collections.abc import Sequence
from unicodedata import east_asian_width

NOTHING = "–"  # in a cell


def format_table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """The rows as lines; the columns of the given numbers are aligned to the right."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - _width(cell))
            cells.append(blank + cell if number in right else cell + blank)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Places in a terminal: Chinese characters take two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
