"""CSV logs of several loggers, by Arrow and cell by cell."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.logs.csv_log import RAGGED_ROWS, CsvLog, looks_like_csv_log
from glmcore.curves.logs.rows import BAD_STEP
from tests.curves.logs.cutting import arrow_for_all, read, rows_of

HEADERS = ["step,loss,time", "Epoch,loss", "Wall time,Step,Value", ",step,loss", "loss;step"]
CELLS = st.sampled_from([
    "1", "2.5", "NaN", "-inf", "", "true", "abc", "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05",
    "0:01:02", "12:30:00", " 3 ", "1_0", '"4"', "1e999",
])  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("rows", [3, 3000])
def test_columns_are_told_by_the_header(delimiter, rows):
    lines = ["\ufeffStep,train/loss,note,eval_loss"] + [
        f"{at},{at / 2},ok,{at if at % 2 else ''}" for at in range(rows)
    ]
    block = read(CsvLog(), "\r\n".join([*lines, ""]).replace(",", delimiter).encode())
    assert block.steps.tolist() == list(range(rows))
    assert sorted(block.metrics) == ["eval_loss", "loss"]
    assert block.metrics["eval_loss"][0].tolist() == list(range(1, rows, 2))
    assert block.metrics["loss"][1][2] == 1.0


def test_tensorboards_export_is_named_by_its_file():
    data = b"Wall time,Step,Value\n1700000000.5,10,0.5\n1700000001.5,20,nan\n"
    block = read(CsvLog({"file_stem": "run-a-tag-eval_loss"}), data)
    assert block.steps.tolist() == [10, 20] and block.times[0] == 1700000000.5
    assert math.isnan(block.metrics["run-a-tag-eval_loss"][1][1])
    assert list(read(CsvLog(), data).metrics) == ["value"]


def test_whole_epochs_are_steps_where_nothing_else_is():
    assert read(CsvLog(), b"epoch,loss\n0,3\n1,2\n2,1\n").steps.tolist() == [0, 1, 2]
    for epochs in (b"0,3\n0.5,2\n1,1\n", b"0,3\n0,2\n1,1\n"):  # a fraction; several rows an epoch
        assert np.isnan(read(CsvLog(), b"epoch,loss\n" + epochs).steps).all()


def test_a_header_in_the_middle_starts_anew():
    rows = "".join(f"{at},{at}\n" for at in range(3000))
    block = read(CsvLog(), f"step,loss\n{rows}step,loss\n0,5\nstep,eval_loss\n1,6\n".encode())
    assert len(block.steps) == 3002
    assert block.metrics["eval_loss"][1].tolist() == [6.0]
    assert block.metrics["loss"][1][-1] == 5.0


def test_rows_with_other_numbers_of_cells_are_counted():
    rows = "".join(f"{at},1\n" for at in range(3000))
    for data in ("step,loss\n1,2,3\n1\n4,5\n", f"step,loss\n1,2,3\n{rows}1\n4,5\n"):
        parser = CsvLog()
        block = read(parser, data.encode())
        assert block.steps[-1] == 4 and len(block.steps) in (1, 3001)
        assert parser.problems.counts == {RAGGED_ROWS: 2}
        assert parser.problems.examples[RAGGED_ROWS] == "1,2,3"


def test_quoted_cells_and_quoted_names_are_read():
    block = read(CsvLog(), b'"step","a, b","loss"\n"1","x ""y"", z","2.5"\n2,",",3\n')
    assert block.steps.tolist() == [1, 2]
    assert block.metrics["loss"][1].tolist() == [2.5, 3.0]


def test_steps_that_are_no_numbers_are_counted():
    parser = CsvLog()
    block = read(parser, b"step,loss\nx,1\nnan,2\n3,3\n")
    assert block.steps[2] == 3 and np.isnan(block.steps[:2]).all()
    assert parser.problems.counts == {BAD_STEP: 2}


def test_reading_goes_on_in_another_process():
    first = CsvLog()
    first.parse(b"step;loss\n1;2\n", at_end=False)
    assert read(CsvLog(first.memory), b"2;3\n").steps.tolist() == [2.0]


def test_ten_thousand_columns_are_read():
    names = ",".join(f"metric{at}" for at in range(10_000))
    cells = ",".join(["0.5"] * 10_000)
    block = read(CsvLog(), f"step,{names}\n1,{cells}\n2,{cells}\n".encode())
    assert len(block.metrics) == 10_000


def test_a_log_is_told_by_its_header_and_numbers():
    assert looks_like_csv_log(b"step,loss\n1,2\n")
    assert looks_like_csv_log(b"\xef\xbb\xbfEpoch;note;val\n1;x;\n2;x;0.5\n")
    assert looks_like_csv_log(b"Wall time,Step,Value\n1,2,3\n")
    for other in (
        b"",
        b"step,loss\n",
        b"name,price\na,1\n",
        b"step\n1\n",
        b"step,note\n1,x\n",
        b"\0\xff\n\n",
    ):
        assert not looks_like_csv_log(other)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(HEADERS), st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8), st.booleans())
def test_arrow_and_cells_read_the_same(header, rows, is_repeated):
    delimiter = ";" if ";" in header else ","
    lines = [header, *(delimiter.join(row) for row in rows)]
    if is_repeated:
        lines.insert(len(lines) // 2 + 1, header)
    data = "\n".join([*lines, ""]).encode()
    slow, fast = CsvLog(), CsvLog()
    expected = read(slow, data)
    with arrow_for_all():
        found = read(fast, data)
    assert rows_of(found) == rows_of(expected)
    assert np.allclose(found.times, expected.times, equal_nan=True)
    assert fast.problems.counts == slow.problems.counts
