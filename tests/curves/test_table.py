"""Columns that grow, rows without steps, and readers beside a writer."""

import math
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves import table as table_module
from glmcore.curves.numbers import as_floats
from glmcore.curves.table import Block, Column, PointTable

NAN = math.nan


def block(steps, **metrics):
    """A block of rows; a metric is {row: value}, or values of all rows."""
    found = {}
    for name, values in metrics.items():
        values = values if isinstance(values, dict) else dict(enumerate(values))
        found[name] = (np.array(list(values), np.uint32), as_floats(list(values.values())))
    return Block(as_floats(steps), as_floats([NAN] * len(steps)), found)


def steps_of(*blocks):
    table = PointTable()
    for one in blocks:
        table.append(one)
    return table.to_arrays()[0].tolist()


@given(st.lists(st.lists(st.integers(0, 99), max_size=8)))
def test_a_column_grows_and_what_was_seen_of_it_stays(parts):
    column, seen, whole = Column(np.empty(0, np.uint32)), [], []
    for part in parts:
        column.extend(part)
        whole += part
        seen.append((column.array, list(whole)))
    assert column.array.tolist() == whole and len(column) == len(whole) and column.array.dtype == np.uint32
    assert all(array.tolist() == then and not array.flags.writeable for array, then in seen)


def test_rows_without_a_step_happened_at_the_last_one_named():
    blocks = [block([1, NAN, NAN, 3, NAN]), block([NAN, 5]), block([NAN, NAN])]
    assert steps_of(*blocks) == [1, 1, 1, 3, 3, 3, 5, 5, 5]


def test_rows_are_counted_where_no_step_is_ever_named():
    assert steps_of(block([NAN, NAN]), block([]), block([NAN])) == [1, 2, 3]


def test_rows_before_the_first_named_step_are_counted():
    assert steps_of(block([NAN, NAN, 10, NAN])) == [1, 2, 10, 10]


@given(st.lists(st.one_of(st.just(NAN), st.integers(0, 50).map(float)), max_size=30), st.data())
def test_rows_mean_the_same_in_one_block_and_in_many(steps, data):
    whole = steps_of(block(steps))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(steps)), max_size=5)))
    bounds = [0, *cuts, len(steps)]
    assert steps_of(*(block(steps[a:b]) for a, b in pairwise(bounds))) == whole


def test_a_metric_of_some_rows_has_their_steps_and_the_axes_known_there():
    table = PointTable()
    table.append(block([1, 2, 3], loss=[3, 2, 1], epoch={1: 0.5}, eval_loss={2: 9}))
    table.append(block([4, 5], loss=[0, -1], eval_loss={1: 8}, tokens_seen={0: 100}))
    loss, eval_loss = table.series("loss"), table.series("eval_loss")
    assert loss.steps.tolist() == [1, 2, 3, 4, 5] and loss.values.tolist() == [3, 2, 1, 0, -1]
    assert (eval_loss.steps.tolist(), eval_loss.values.tolist()) == ([3, 5], [9, 8])
    assert np.array_equal(loss.along["epoch"], [NAN, 0.5, 0.5, 0.5, 0.5], equal_nan=True)
    assert np.array_equal(eval_loss.along["tokens_seen"], [NAN, 100], equal_nan=True)
    assert list(table.series("epoch").along) == ["tokens_seen"]
    assert table.names == ["loss", "epoch", "eval_loss", "tokens_seen"]
    assert (len(table), table.num_values, table.nbytes) == (5, 9, 5 * 16 + 9 * 12)


def test_a_metric_that_the_log_does_not_have_is_a_key_error():
    with pytest.raises(KeyError):
        PointTable().series("loss")


def test_a_metric_without_values_is_none():
    table = PointTable()
    table.append(block([1], epoch={}, loss=[1]))
    assert table.names == ["loss"] and table.series("loss").along == {}


def test_a_table_goes_on_from_arrays_that_may_not_be_written_to():
    table = PointTable()
    table.append(block([1, 2], loss=[1, 2], eval_loss={1: 5}))
    steps, times, metrics = table.to_arrays()
    for array in (steps, times, *(one for pair in metrics.values() for one in pair)):
        array.flags.writeable = False
    again = PointTable.from_arrays(steps, times, metrics, table.last_step)
    values = again.series("loss").values
    assert np.shares_memory(values, metrics["loss"][1]), "nothing is copied until something is added"
    for one in (table, again):
        one.append(block([NAN, 4], loss={1: 3}, grad_norm=[7, 8]))
    for name in table.names:
        assert np.array_equal(table.series(name).steps, again.series(name).steps)
        assert np.array_equal(table.series(name).values, again.series(name).values)
    assert again.to_arrays()[0].tolist() == [1, 2, 2, 4] and metrics["loss"][1].tolist() == [1, 2]


def test_rows_of_a_broken_cache_raise_nothing():
    metrics = {"loss": (np.array([4_000_000_000, 0], np.uint32), as_floats([1, 2]))}
    table = PointTable.from_arrays(as_floats([1, 2, 3]), as_floats([1, 2, 3]), metrics, 3.0)
    assert len(table.series("loss")) <= 2


def test_metrics_beyond_the_limit_are_counted_and_the_count_is_bounded(monkeypatch):
    monkeypatch.setattr(table_module, "MAX_METRICS", 5)
    table = PointTable()
    for first in range(0, 100, 10):
        table.append(block([first], **{f"metric{first + at}": [1] for at in range(10)}))
    assert len(table.names) == 5 and len(table.dropped_metrics) == 5


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 7))
def test_a_reader_beside_a_writer_sees_whole_blocks(rows_in_block):
    table, wrong = PointTable(), []
    ended = threading.Event()

    def read():
        while not ended.is_set():
            for name in table.names:
                series = table.series(name)
                if len(series) % rows_in_block or not np.array_equal(series.steps, series.values):
                    wrong.append(name)
            table.num_values  # noqa: B018 - walks through the metrics

    reader = threading.Thread(target=read)
    reader.start()
    for at in range(150):
        steps = range(at * rows_in_block, (at + 1) * rows_in_block)
        table.append(block(steps, loss=steps, **{f"metric{at % 40}": steps}))
    ended.set()
    reader.join()
    assert not wrong and len(table.series("loss")) == 150 * rows_in_block
