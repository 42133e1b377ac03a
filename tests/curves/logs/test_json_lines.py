"""JSON lines in the forms that trainers write, whole and broken, by Arrow and one by one."""

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.logs.json_lines import BROKEN_LINES, PIECE_BYTES, JsonLines
from glmcore.curves.logs.lines import LONG_LINES, LONGEST_LINE, cut_lines
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import BAD_STEP
from tests.curves.logs.cutting import arrow_for_all, read, rows_of

KEYS = st.sampled_from(
    [
        "step",
        "global_step",
        "loss",
        "lr",
        "learning_rate",
        "time",
        "elapsed_time",
        "total_steps",
        "train/loss",
    ]
)
VALUES = st.sampled_from([
    "1", "2.5", "NaN", "-Infinity", "null", "true", '"3"', '" 4 "', '"nan"', '"abc"', '"2026-01-02"', "1e999",
    '"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05.5+02:00"', '"0:01:02"', '"1 day, 0:00:01"', "[1]", "-0.0",
    "12345678901234567890123", '{"x":1}', '"1_0"', '"1.#INF"', '"{"',
])  # fmt: skip
OBJECTS = st.lists(st.tuples(KEYS, VALUES), max_size=4).map(
    lambda pairs: "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"
)


def many_lines(count: int) -> list[bytes]:
    rows = ({"loss": 1 / (at + 1), "lr": 5e-5, "step": at, "time": 1.7e9 + at} for at in range(count))
    return [json.dumps(row).encode() + b"\n" for row in rows]


def test_own_metrics_are_read_with_steps_and_times():
    parser = JsonLines()
    block = read(parser, b"".join(many_lines(5000)))
    assert block.steps.tolist() == list(range(5000))
    assert block.times[4999] == 1.7e9 + 4999
    assert sorted(block.metrics) == ["learning_rate", "loss"]
    assert block.metrics["loss"][1][9] == 0.1
    assert parser.problems.counts == {}


def test_llama_factory_lines_give_the_end_of_the_run_and_the_time_since_its_start():
    line = (
        '{"current_steps": %d, "total_steps": 900, "loss": 2.0, "lr": 1e-4, "epoch": 0.5, "percentage": 1.0,'
        ' "elapsed_time": "%d:00:12", "remaining_time": "0:10:00"}\n'
    )
    for count in (2, 1000):  # one by one, and by Arrow
        parser = JsonLines()
        block = read(parser, "".join(line % (at, at) for at in range(count)).encode())
        assert block.steps[1] == 1 and block.times.tolist()[:2] == [12.0, 3612.0]
        assert sorted(block.metrics) == ["epoch", "learning_rate", "loss"]
        assert parser.memory["total_steps"] == 900


def test_a_line_without_its_end_waits_until_the_log_is_settled():
    parser = JsonLines()
    assert parser.parse(b'{"step": 1, "loss": 2}', at_end=False)[1] == 0
    block, used = parser.parse(b'{"step": 1, "loss": 2}', at_end=True)
    assert (block.steps.tolist(), used) == ([1.0], 22)
    assert parser.parse(b'{"step": 2, "lo', at_end=True)[1] == 0


def test_one_broken_line_among_thousands_costs_only_itself():
    lines = many_lines(20_000)
    lines[15_000] = b'{"loss": 1, "st\n'
    parser = JsonLines()
    block = read(parser, b"".join(lines))
    assert len(block.steps) == 19_999
    assert parser.problems.counts == {BROKEN_LINES: 1}
    assert parser.problems.notes()[0].text.endswith('such as {"loss": 1, "st.')


def test_rows_that_come_late_with_new_names_and_other_types_are_read():
    lines = many_lines(3000)
    lines.insert(2500, b'{"step": 2500, "eval_loss": 0.5, "eval_note": "best"}\n')
    lines.insert(
        2600, b'{"step": 2600, "eval_loss": "nan", "train": {"acc": {"top": 1, "deep": {"x": 1}}}}\n'
    )
    block = read(JsonLines(), b"".join(lines))
    rows, values = block.metrics["eval_loss"]
    assert rows.tolist() == [2500, 2600] and values[0] == 0.5 and math.isnan(values[1])
    assert block.metrics["train/acc/top"][1].tolist() == [1.0]
    assert not any("deep" in name or "note" in name for name in block.metrics)


def test_steps_that_are_no_numbers_are_counted():
    steps = ['"x"', "NaN", "[1]", "true", "null", '"7"']
    parser = JsonLines()
    block = read(parser, "".join(f'{{"step": {step}, "loss": 1}}\n' for step in steps).encode())
    assert block.steps[5] == 7 and np.isnan(block.steps[:5]).all()
    assert parser.problems.counts == {BAD_STEP: 4}


def test_of_two_spellings_of_a_metric_the_first_counts():
    data = b'{"lr": 1, "learning_rate": 2}\n{"learning_rate": 3, "lr": 4}\n'
    assert read(JsonLines(), data).metrics["learning_rate"][1].tolist() == [1.0, 3.0]
    assert read(JsonLines(), data * 1000).metrics["learning_rate"][1].tolist() == [1.0, 3.0] * 1000


def test_a_line_longer_than_a_mebibyte_is_skipped_and_counted_once():
    data = b'{"step": 1, "loss": 1}\n{"x": "' + b"y" * LONGEST_LINE + b'"}\n{"step": 2, "loss": 1}\n'
    for cuts in ([], [30, LONGEST_LINE // 2, LONGEST_LINE + 40]):
        parser = JsonLines()
        assert read(parser, data, cuts).steps.tolist() == [1.0, 2.0]
        assert parser.problems.counts == {LONG_LINES: 1}


def test_a_long_line_that_grows_is_not_kept():
    memory, problems = {}, Problems()
    assert cut_lines(b"x" * (LONGEST_LINE + 1), memory, problems) == (b"", b"", LONGEST_LINE + 1)
    assert cut_lines(b"xx", memory, problems) == (b"", b"", 2)
    assert cut_lines(b"xx\nab\nc", memory, problems) == (b"ab\n", b"c", 6)
    assert problems.counts == {LONG_LINES: 1}


def test_broken_letters_cost_no_numbers():
    data = b'{"step": 1, "lo\xffss": 1, "\\ud800": 2}\n'
    for count in (1, 1000):
        block = read(JsonLines(), data * count)
        assert len(block.metrics) == 2
        assert all(name.encode() for name in block.metrics)


def test_columns_that_are_nearly_all_empty_take_little_room():
    lines = [b'{"metric%d": 1}\n' % at for at in range(3000)]
    assert len(b"".join(lines)) > PIECE_BYTES
    block = read(JsonLines(), b"".join(lines))
    assert len(block.metrics) == 3000
    assert block.metrics["metric2999"][0].tolist() == [2999]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(OBJECTS, st.sampled_from(['{"a": 1', ""])), min_size=1, max_size=10))
def test_arrow_and_json_read_the_same(lines):
    data = "\n".join([*lines, ""]).encode()
    one_by_one, fast = JsonLines(), JsonLines()
    expected = read(one_by_one, data)
    with arrow_for_all():
        found = read(fast, data)
    assert rows_of(found) == rows_of(expected)
    assert np.array_equal(found.times, expected.times, equal_nan=True)
    assert (fast.memory.get("total_steps"), fast.problems.counts) == (
        one_by_one.memory.get("total_steps"),
        one_by_one.problems.counts,
    )
