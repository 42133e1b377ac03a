"""Numbers and times in the spellings of many programs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmcore.curves.numbers import parse_number, parse_time


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (2.5, 2.5),
        ("  1e-4 ", 1e-4),
        ("+7", 7.0),
        ("Infinity", math.inf),
        ("-inf", -math.inf),
        ("INF", math.inf),
        ("1.#INF", math.inf),
        ("-1.#INF00", -math.inf),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
)
def test_a_number_is_read_in_all_spellings(value, expected):
    assert parse_number(value) == expected


@pytest.mark.parametrize(
    "value", ["nan", "NaN", "-nan", "+NAN", "1.#QNAN", "-1.#IND00", "nan(ind)", "-nan(snan)", math.nan]
)
def test_nan_is_read_in_all_spellings(value):
    assert math.isnan(parse_number(value))


@pytest.mark.parametrize(
    "value",
    [True, False, None, "", "--nan", "nano", "1.2.3", "0x12", "1,5", "9" * 41, b"1", [1], {"a": 1}, "步"],
)
def test_what_is_no_number_is_none(value):
    assert parse_number(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.7e9, 1.7e9),
        ("1700000000", 1.7e9),
        ("0:12:30", 750.0),
        ("12:00:01.5", 43201.5),
        ("1 day, 2:03:04", 93784.0),
        ("2 days, 0:00:00", 172800.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01 01:00:00+01:00", 0.0),
        ("1970-01-01 00:00:01,250", 1.25),
        ("1970-01-01T00:00:01", 1.0),
    ],
)
def test_a_time_is_read_as_a_clock_or_a_duration(value, expected):
    assert parse_time(value) == expected


@pytest.mark.parametrize("value", [None, True, "", "noon", "25:99:99", "1:2", "2024-13-01", "x" * 41, [1]])
def test_what_is_no_time_is_none(value):
    assert parse_time(value) is None


@given(st.one_of(st.text(max_size=45), st.from_regex(r"[-+]?[0-9:.T,# -]{1,30}"), st.integers(), st.floats()))
def test_no_value_raises(value):
    for found in (parse_number(value), parse_time(value)):
        assert found is None or isinstance(found, float)
