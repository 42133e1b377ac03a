"""Event files as tensorboardX writes them, and as broken as they come."""

import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboardX import SummaryWriter

from glmcore.curves.logs.event_file import BAD_CHECKSUM, BAD_FRAME, HEAD_BYTES, EventFile
from glmcore.curves.table import PointTable
from tests.curves.event_records import FLOAT, event, losses, read, record, simple, tensor, written


def everything(table: PointTable) -> dict[str, object]:
    steps, times, metrics = table.to_arrays()
    found = {name: (rows.tolist(), values.tobytes()) for name, (rows, values) in metrics.items()}
    return {**found, "": (steps.tobytes(), times.tobytes())}


def test_what_a_summary_writer_logged_is_read(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_text("note", "hello", 0)
        writer.add_histogram("weights", np.arange(9.0), 0)
        writer.add_image("picture", np.zeros((3, 4, 4)), 0)
        writer.add_hparams({"learning_rate": 0.1}, {"score": 1.0}, name="hyper")
        for step in range(300):
            writer.add_scalar("train/loss", 1 / (step + 1), step, walltime=5.0 + step)
            writer.add_scalar("train/learning_rate", step, step)
        writer.add_scalars("both", {"one": 1.0}, 7)
    data = next(tmp_path.glob("events*")).read_bytes()
    table, parser, used = read(data)
    assert used == len(data)
    assert not parser.problems.counts
    assert set(table.names) == {"loss", "learning_rate"}  # the others went to files of their own
    loss = table.series("loss")
    assert loss.steps.tolist() == list(range(300))
    assert loss.times.tolist() == [5.0 + step for step in range(300)]
    assert loss.values.tolist() == [float(np.float32(1 / (step + 1))) for step in range(300)]


def test_metrics_written_in_turns_by_several_programs_are_kept_apart():
    """Names of one length, and values that lie at different places of events of one length."""
    one_tensor = tensor("a", dtype=FLOAT, float_val=[2.0])
    length = len(one_tensor.SerializeToString())
    simples = [simple(letter * (length - 7), 1.0) for letter in "xyz"]
    assert {len(value.SerializeToString()) for value in simples} == {length}
    values = [*simples, one_tensor, simples[0]]
    data = b"".join(event(value, step=step) for step in range(1, 4) for value in values)
    table, _parser, _used = read(data)
    assert {name: values.tolist() for name, (_rows, values) in table.to_arrays()[2].items()} == {
        simples[0].tag: [1.0] * 6,
        simples[1].tag: [1.0] * 3,
        simples[2].tag: [1.0] * 3,
        "a": [2.0] * 3,
    }


def test_record_with_a_bad_checksum_is_skipped_and_counted():
    records = losses(5)
    records[2] = records[2][:-1] + bytes([records[2][-1] ^ 1])
    records[3] = records[3][:20] + bytes([records[3][20] ^ 1]) + records[3][21:]
    table, parser, used = read(b"".join(records))
    assert written(table, "loss")[0] == [1.0, 2.0, 5.0]
    assert parser.problems.counts == {BAD_CHECKSUM: 2}
    assert used == sum(map(len, records))
    assert [note.text for note in parser.problems.notes()]


@pytest.mark.parametrize("place", range(HEAD_BYTES))
def test_after_a_bad_length_reading_goes_on_at_the_next_record(place):
    records = losses(5)
    broken = bytearray(records[2])
    broken[place] ^= 0x10
    records[2] = bytes(broken)
    table, parser, used = read(b"".join(records))
    assert written(table, "loss")[0] == [1.0, 2.0, 4.0, 5.0]
    assert parser.problems.counts == {BAD_FRAME: 1}
    assert used == sum(map(len, records))


@pytest.mark.parametrize(
    "rubbish", [bytes(100_000), b"\xff" * 1000, b"loss 0.5\n" * 500, b"\x01\0\0\0\0\0\0\0" * 99]
)
def test_rubbish_between_records_is_jumped_over(rubbish):
    first, second = losses(3), losses(3, first=4)
    table, parser, _used = read(b"".join([*first, rubbish, *second]))
    assert written(table, "loss")[0] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert parser.problems.counts == {BAD_FRAME: 1}


def test_length_that_no_reader_waits_for_is_no_length():
    length = struct.pack("<Q", 1 << 62)
    checksum = record(length)[-4:]  # of those eight bytes
    table, parser, _used = read(length + checksum + b"".join(losses(2)))
    assert written(table, "loss")[0] == [1.0, 2.0]
    assert parser.problems.counts == {BAD_FRAME: 1}


def test_half_written_record_is_left_for_the_next_call():
    records = losses(3)
    data = b"".join(records)
    whole = [0, len(records[0]), len(records[0]) + len(records[1]), len(data)]
    for cut in range(len(data) + 1):
        table, parser, used = read(data[:cut])
        assert used == max(place for place in whole if place <= cut)
        assert len(table) == whole.index(used)
        again, _parser, rest = read(data[used:], parser)
        assert len(table) + len(again) == 3
        assert used + rest == len(data)
        assert not parser.problems.counts


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_any_size_give_what_one_go_gives(seed):
    chance = random.Random(seed)
    values = [simple("loss", 1.0), simple("lr", 2.0), tensor("t", dtype=FLOAT, float_val=[3.0])]
    records = [event(*chance.sample(values, chance.randint(0, 3)), step=step) for step in range(200)]
    records[50] = records[50][:-1] + bytes([records[50][-1] ^ 1])
    records[100] = bytes(12) + records[100][12:]
    data = b"".join(records)
    whole, in_one_go, _used = read(data)

    table, parser, at, size = PointTable(), EventFile(), 0, 0
    while at < len(data):
        size += chance.randint(1, 500)
        block, used = parser.parse(data[at : at + size], at_end=False)
        table.append(block)
        at, size = at + used, size - used
    assert everything(table) == everything(whole)
    assert parser.problems.counts[BAD_CHECKSUM] == in_one_go.problems.counts[BAD_CHECKSUM] == 1


def test_empty_file_holds_nothing():
    table, parser, used = read(b"")
    assert (len(table), used, parser.problems.counts) == (0, 0, {})


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("glmcore.curves.logs.event_file.MAX_REMEMBERED", 10)
    table, parser, _used = read(
        b"".join(event(simple("x" * (1 + number % 60), 1.0)) for number in range(300))
    )
    assert table.num_values == 300
    assert parser._num_names <= 10
    assert len(parser._lengths) <= 10


def _survives(data: bytes) -> None:
    """Reading ends, takes no more than there is, and gives rows that fit together."""
    parser, at = EventFile(), 0
    while at < len(data):
        block, used = parser.parse(data[at:], at_end=True)
        assert 0 <= used <= len(data) - at
        assert len(block.steps) == len(block.times)
        for name, (rows, values) in block.metrics.items():
            assert name
            assert len(rows) == len(values)
            assert rows[-1] < len(block.steps)
            assert (np.diff(rows) > 0).all()
        if not used:
            break
        at += used


GOOD = b"".join([*losses(4), event(simple("a", 1.0), tensor("t", dtype=FLOAT, float_val=[3.0]))])
SUMMARIES = st.binary(max_size=60).map(lambda inner: bytes([0x2A, len(inner)]) + inner)
FLIPS = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(1, 255)), max_size=8)
HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(st.binary(max_size=80), SUMMARIES), max_size=6).map(
        lambda contents: b"".join(map(record, contents))
    ),
    FLIPS.map(lambda flips: flipped(GOOD, flips)),
    FLIPS.map(lambda flips: record(flipped(GOOD[HEAD_BYTES : len(losses(1)[0]) - 4], flips))),
)


def flipped(data: bytes, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, bits in flips:
        changed[place % len(data)] ^= bits
    return bytes(changed)


@given(HOSTILE)
@settings(max_examples=100, deadline=None)
def test_no_bytes_stop_the_reader(data):
    _survives(data)
    assert read(GOOD + data)[0].num_values >= 6  # what came before is kept


@pytest.mark.slow
@given(HOSTILE)
@settings(max_examples=5000, deadline=None)
def test_no_bytes_stop_the_reader_in_many_cases(data):
    _survives(data)
    assert read(GOOD + data)[0].num_values >= 6


@pytest.mark.slow
def test_tensorboard_reads_the_same(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    chance = random.Random(1)
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(5000):
            writer.add_scalar("loss", chance.random(), step * chance.randint(1, 3), walltime=chance.random())
            writer.add_scalar(f"other/{step % 9}", math.nan if step % 7 else math.inf, -step)
    theirs = accumulators.EventAccumulator(
        str(tmp_path), size_guidance={"scalars": 0}, purge_orphaned_data=False
    )
    theirs.Reload()
    table, _parser, _used = read(next(tmp_path.glob("events*")).read_bytes())
    assert set(table.names) == set(theirs.Tags()["scalars"])
    steps, times, metrics = table.to_arrays()
    for name, (rows, values) in metrics.items():
        expected = [(point.wall_time, point.step, point.value) for point in theirs.Scalars(name)]
        np.testing.assert_array_equal(np.column_stack([times[rows], steps[rows], values]), expected)
