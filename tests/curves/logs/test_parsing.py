"""What every parser of text promises: no exception, no row too many, the same rows wherever a log is cut."""

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glmcore.core.errors import DataError
from glmcore.curves.logs.csv_log import CsvLog, looks_like_csv_log
from glmcore.curves.logs.json_lines import JsonLines
from glmcore.curves.logs.text_log import TextLog, looks_like_text_log
from glmcore.curves.logs.trainer_state import parse_trainer_state
from tests.curves.logs.cutting import arrow_for_all, read, rows_of

PARSERS = (JsonLines, CsvLog, TextLog)
FRAGMENTS = [
    b'{"step": 1, "loss": 0.5}', b'{"step": "x", "lr": NaN}', b'{"a": {"b": {"c": {"d": 1}}}}', b'[1, {}]',
    b'{"step": 2, "step": 3}', b'{"loss": "nan", "time": "2026-01-02T03:04:05"}',
    b'{"elapsed_time": "0:00:12"}',
    b'{"loss": -Infinity, "total_steps": 1e999}', b'{"\\ud800": 1}', b'{"step": true}', b"step,loss\n1,2\n",
    b"epoch;a;b\n1;;x\n", b"Wall time,Step,Value\n", b'"1","2,3"', b"1,nan,inf", b"1\t2", b'{"step": [1]}',
    b"{'loss': nan, 'epoch': 0.1}", b"{'eval_loss': '2.1', 'epoch': '1'}", b" 10%|# | 10/100 [00:10<01:30]",
    b"\r", b"\x1b[A", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xff", b"{", b"}", b'"', b"\0", b",", b"9" * 400,
    b'{"a": [1, {}]}', b"[" * 2000,
]  # fmt: skip
HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=4))).map(b"".join),
)
CUTS = st.lists(st.integers(0, 400), max_size=4)
NUMBERS = st.one_of(st.floats(width=64), st.integers(-(2**60), 2**60))
NAMES = st.sampled_from(["loss", "eval_loss", "grad_norm", "epoch", "größe", "a b"])
ROWS = st.lists(st.dictionaries(NAMES, NUMBERS, min_size=1), min_size=1, max_size=12)


def check_hostile(data: bytes, cuts: list[int]) -> None:
    for parser in PARSERS:
        read(parser(), data, cuts)
        with arrow_for_all():
            read(parser(), data, cuts)
    try:
        parse_trainer_state(data)
    except DataError as error:
        assert str(error)
    assert looks_like_csv_log(data) in (True, False)
    assert looks_like_text_log(data) in (True, False)


def check_rows(rows: list[dict[str, float]], cuts: list[int]) -> None:
    expected = [
        {"step": float(at)} | {name: None if value != value else float(value) for name, value in row.items()}
        for at, row in enumerate(rows)
    ]
    lines = "".join(json.dumps({"step": at, **row}) + "\n" for at, row in enumerate(rows)).encode()
    out = io.StringIO()
    names = sorted({name for row in rows for name in row})
    writer = csv.DictWriter(out, ["step", *names], delimiter=";", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"step": at, **row} for at, row in enumerate(rows))
    printed = "".join(f"INFO { ({'global_step': at, 'loss': 1.5} | row) }\r\n" for at, row in enumerate(rows))
    logs = ((JsonLines, lines), (CsvLog, out.getvalue().encode()))
    for parser, data in logs:
        assert rows_of(read(parser(), data, cuts)) == expected
        with arrow_for_all():
            assert rows_of(read(parser(), data, cuts)) == expected
    with_loss = [{"loss": 1.5} | row for row in expected]
    assert rows_of(read(TextLog(), printed.encode(), cuts)) == with_loss


@settings(max_examples=100, deadline=None)
@given(HOSTILE, CUTS)
def test_any_bytes_cut_anywhere_are_read_without_a_fault(data, cuts):
    check_hostile(data, cuts)
    assert True


@settings(max_examples=60, deadline=None)
@given(ROWS, CUTS)
def test_rows_come_back_as_they_were_written_wherever_the_log_is_cut(rows, cuts):
    check_rows(rows, cuts)
    assert rows


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(HOSTILE, CUTS)
def test_thousands_of_hostile_logs_are_read_without_a_fault(data, cuts):
    check_hostile(data, cuts)
    assert True


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(ROWS, CUTS)
def test_thousands_of_logs_come_back_as_they_were_written(rows, cuts):
    check_rows(rows, cuts)
    assert rows
