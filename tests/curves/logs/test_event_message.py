"""Events as other programs write them, and as none should."""

import math
import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import HistogramProto, Summary

from glmcore.curves.logs.event_file import BAD_EVENT, HEAD_BYTES
from tests.curves.event_records import (
    DOUBLE,
    FLOAT,
    INT32,
    INT64,
    STRING,
    event,
    losses,
    read,
    record,
    simple,
    tensor,
    written,
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dtype": FLOAT, "float_val": [0.5]}, 0.5),
        ({"dtype": FLOAT, "tensor_content": struct.pack("<f", 0.25)}, 0.25),
        ({"dtype": DOUBLE, "double_val": [0.1]}, 0.1),
        ({"dtype": DOUBLE, "tensor_content": struct.pack("<d", 0.1)}, 0.1),
        ({"dtype": INT32, "int_val": [-3]}, -3.0),
        ({"dtype": INT32, "tensor_content": struct.pack("<i", -4)}, -4.0),
        ({"dtype": INT64, "int64_val": [1 << 40]}, float(1 << 40)),
        ({"dtype": INT64, "tensor_content": struct.pack("<q", -5)}, -5.0),
    ],
)
@pytest.mark.parametrize("dimensions", [(), (1,), (1, 1)])
@pytest.mark.parametrize("plugin", ["scalars", None])
def test_tensors_of_one_element_are_scalars(fields, expected, dimensions, plugin):
    value = tensor("loss", *dimensions, plugin=plugin, **fields)
    table, parser, _used = read(event(value, step=1) + event(value, step=2))
    assert written(table, "loss") == ([1.0, 2.0], [expected, expected])
    assert not parser.problems.counts


def test_other_tensors_are_passed_over_in_silence():
    values = [
        tensor("many", 2, dtype=FLOAT, float_val=[1.0, 2.0]),
        tensor("filled", 100, dtype=FLOAT, float_val=[1.0]),
        tensor("empty", 0, dtype=FLOAT),
        tensor("text", dtype=STRING, string_val=[b"word"]),
        tensor("words", dtype=STRING, tensor_content=b"word"),
        tensor("short", dtype=FLOAT, tensor_content=b"12"),
        tensor("twice", dtype=FLOAT, float_val=[1.0], tensor_content=b"1234"),
        tensor("long", dtype=INT64, int64_val=[1, 2]),
        tensor("foreign", plugin="pr_curves", dtype=FLOAT, float_val=[1.0]),
        Summary.Value(tag="histogram", histo=HistogramProto(bucket=[1.0], bucket_limit=[2.0])),
        Summary.Value(tag="nothing"),
        Summary.Value(simple_value=1.0),
    ]
    table, parser, used = read(b"".join(event(value) for value in values))
    assert (len(table), table.names, parser.problems.counts) == (0, [], {})
    assert used > 0


def test_several_values_of_one_event_share_a_row():
    data = b"".join(event(simple("loss", step), simple("eval/loss", -step), step=step) for step in range(5))
    table, _parser, _used = read(data)
    assert len(table) == 5
    assert written(table, "loss") == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert written(table, "eval_loss") == ([0, 1, 2, 3, 4], [0, -1, -2, -3, -4])


def test_of_a_metric_that_an_event_names_twice_the_last_value_counts():
    table, _parser, _used = read(event(simple("loss", 1.0), simple("train/loss", 2.0), simple("b", 3.0)) * 2)
    assert written(table, "loss") == ([1.0, 1.0], [2.0, 2.0])
    assert len(table) == 2


@pytest.mark.parametrize("step", [0, 1, 127, 128, 300, 1 << 21, 1 << 40, (1 << 63) - 1, -1, -300, -(1 << 63)])
def test_steps_may_be_huge_or_negative(step):
    table, parser, _used = read(event(simple("loss", 1.0), step=step) * 2)
    assert written(table, "loss") == ([float(step)] * 2, [1.0, 1.0])
    assert not parser.problems.counts


def test_values_and_times_that_are_no_numbers_are_kept():
    odd = [math.nan, math.inf, -math.inf]
    data = [event(simple("loss", value), step=step, time=value) for step, value in enumerate(odd * 2)]
    signalling = struct.pack("<I", 0x7FA00000)
    data.append(event(simple("loss", 1.0), step=6).replace(struct.pack("<f", 1.0), signalling))
    last = data.pop()[HEAD_BYTES:-4]
    table, parser, _used = read(b"".join(data) + record(last))
    assert not parser.problems.counts
    np.testing.assert_array_equal(written(table, "loss")[1], [*odd, *odd, math.nan])
    np.testing.assert_array_equal(table.to_arrays()[1][:6], odd * 2)


def test_event_without_a_time_has_none():
    table, _parser, _used = read(event(simple("loss", 1.0), step=3, time=0.0))
    assert written(table, "loss") == ([3.0], [1.0])
    assert np.isnan(table.to_arrays()[1]).all()


def test_fields_may_come_in_any_order():
    whole = Event(wall_time=7.0, step=300, summary=Summary(value=[simple("loss", 2.0)]))
    time, step = whole.SerializeToString()[:9], whole.SerializeToString()[9:12]
    rest = whole.SerializeToString()[12:]
    unknown = b"\xf8\x01\x05"
    orders = [time + rest + step, rest + step + time, step + time + rest, time + step + rest + unknown]
    table, parser, _used = read(b"".join(record(order) for order in orders * 2))
    assert table.to_arrays()[0].tolist() == [300.0] * 8
    assert table.to_arrays()[1].tolist() == [7.0] * 8
    assert not parser.problems.counts


def test_names_may_hold_any_letters():
    names = ["损失/训练", "<b>loss</b>", "emoji 🚀", "a\nb", "x" * 400]
    table, _parser, _used = read(b"".join(event(simple(name, 1.0)) for name in names * 2))
    assert table.names == names
    content = event(simple("ab", 1.0))[HEAD_BYTES:-4].replace(b"ab", b"\xff\xfe")
    assert read(record(content))[0].names == ["\ufffd\ufffd"]


def test_too_long_names_are_cut():
    table, _parser, _used = read(event(simple("x" * 100_000, 1.0)))
    assert [len(name) for name in table.names] == [500]


@pytest.mark.parametrize(
    "content",
    [
        b"\x09",
        b"\x09" + bytes(7),
        b"\x09" + bytes(8) + b"\x10",
        b"\x09" + bytes(8) + b"\x10" + b"\xff" * 12,
        b"\x10\xff",
        b"\x2a\x05\x0a",
        b"\x2a\x02\x0a\x7f",
        b"\x0b\x0c",
        b"\x2a\x03\x0a\x01\x0f",
        b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80" * 20,
        b"\xff" * 40,
        b"word",
    ],
)
def test_record_that_holds_no_event_is_counted(content):
    good = losses(2)
    table, parser, _used = read(good[0] + record(content) + good[1])
    assert written(table, "loss")[0] == [1.0, 2.0]
    assert parser.problems.counts == {BAD_EVENT: 1}
