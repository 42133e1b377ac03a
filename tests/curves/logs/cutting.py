"""Feeds a log to a parser in parts, as it grows, and compares what came of it."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from glmcore.curves.logs import csv_log, json_lines
from glmcore.curves.logs.parsing import Parser
from glmcore.curves.logs.rows import join_blocks
from glmcore.curves.table import Block

Row = dict[str, float]


def read(parser: Parser, data: bytes, cuts: Sequence[int] = ()) -> Block:
    """All rows of a log that is seen first up to the first cut, then up to the second, and at last whole."""
    blocks, place = [], 0
    for end, at_end in [*((cut, False) for cut in sorted(cuts)), (len(data), False), (len(data), True)]:
        if end < place:
            continue
        block, used = parser.parse(data[place:end], at_end=at_end)
        assert 0 <= used <= end - place
        blocks.append(block)
        place += used
    whole = join_blocks(blocks)
    for rows, values in whole.metrics.values():
        assert len(rows) == len(values)
        assert all(0 <= row < len(whole.steps) for row in rows)
    assert len(whole.steps) == len(whole.times)
    assert not any(math.isinf(step) for step in whole.steps)
    return whole


def rows_of(block: Block) -> list[Row]:
    """Each row as {name: value} with its step, for comparison; NaN as None."""
    rows: list[Row] = [{"step": _plain(step)} for step in block.steps]
    for name, (at, values) in block.metrics.items():
        for row, value in zip(at, values, strict=True):
            rows[int(row)][name] = _plain(value)
    return rows


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


@contextmanager
def arrow_for_all() -> Iterator[None]:
    """Arrow is asked for the smallest logs too, and in the smallest pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "FEW_BYTES", 0)
        patch.setattr(json_lines, "PIECE_BYTES", 64)
        patch.setattr(json_lines, "MOST_CELLS", 1000)
        patch.setattr(csv_log, "FEW_BYTES", 0)
        yield
