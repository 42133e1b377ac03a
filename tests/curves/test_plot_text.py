"""Charts in characters: nothing is lost, nothing of a log drives the terminal."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.numbers import as_floats
from glmcore.curves.plot_text import Line, draw, is_drawable, sparkline
from glmcore.curves.text_names import shown_name, text_width
from glmcore.curves.text_ticks import choose_ticks, plain_number

STEPS = np.arange(1.0, 10_001.0)
COLOR = re.compile(r"\x1b\[\d+m")


def frame_of(chart):
    """The characters inside the frame, a text for each row."""
    return [re.split("[│┤|]", row, maxsplit=1)[1] for row in chart.split("\n") if re.search("[│┤|]", row)]


def test_falling_curve_goes_from_the_upper_left_to_the_lower_right():
    rows = frame_of(draw([Line("loss", STEPS, -STEPS)], 60, 8))
    assert len(rows) == 8
    starts = [len(row) - len(row.lstrip()) for row in rows]
    assert starts == sorted(starts) and starts[0] == 0 and starts[-1] > 40


@pytest.mark.parametrize("place", [0, 1, 4321, 9998, 9999])
def test_spike_of_one_step_reaches_the_top(place):
    values = np.zeros(10_000)
    values[place] = 5.0
    rows = frame_of(draw([Line("loss", STEPS, values)], 60, 8))
    assert rows[0].strip() and rows[4].strip()


def test_ticks_are_round_and_stand_where_they_belong():
    chart = draw([Line("loss", as_floats([0, 1]), as_floats([0, 4]))], 40, 9)
    labels = [row.split("┤")[0].strip() for row in chart.split("\n") if "┤" in row]
    assert labels == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("low", "high", "is_log", "labels"),
    [
        (0.0, 5e-5, False, ["0", "1e-05", "2e-05", "3e-05", "4e-05", "5e-05"]),
        (0.51, 0.58, False, ["0.52", "0.54", "0.56", "0.58"]),
        (1e6, 3e6, False, ["1.0e+06", "1.5e+06", "2.0e+06", "2.5e+06", "3.0e+06"]),
        (-3.0, 1.0, True, ["0.001", "0.01", "0.1", "1", "10"]),
        (0.1, 1.1, True, ["2", "5", "10"]),
        (0.01, 0.04, True, ["1.04", "1.06", "1.08"]),
        (7.25, 7.25, False, ["7.25"]),
        (-1e308, 1e308, False, ["-1e+308"]),
    ],
)
def test_ticks_are_round_numbers(low, high, is_log, labels):
    assert [label for _, label in choose_ticks(low, high, 5, is_log)] == labels


@pytest.mark.parametrize(
    ("value", "text"), [(400.0, "400"), (-0.0, "0"), (1 / 3, "0.333333"), (1e300, "1e+300"), (2.5, "2.5")]
)
def test_numbers_are_short(value, text):
    assert plain_number(value) == text


def test_nan_breaks_the_line_and_is_marked_and_counted():
    values = np.ones(10_000)
    values[4000:6000] = np.nan
    values[9000] = np.inf
    chart = draw([Line("loss", STEPS, values)], 60, 4)
    assert "loss (× NaN/Inf: 2001)" in chart
    assert any(re.search(r"\S +\S", row.strip()) for row in frame_of(chart))
    floor = next(row for row in chart.split("\n") if "└" in row)
    assert floor.count("×") > 8


def test_only_nan_is_named_without_a_frame():
    assert draw([Line("loss", STEPS[:3], np.full(3, np.nan))]) == "━ loss (× NaN/Inf: 3)"
    assert draw([Line("loss", as_floats([]), as_floats([]))]) == "━ loss"
    assert draw([]) == ""


def test_logarithm_counts_what_has_none():
    chart = draw([Line("loss", STEPS[:4], as_floats([0, -1, 10, 1000]))], is_log=True)
    assert "(≤0: 2)" in chart and "1000 ┤" in chart


def test_one_point_and_a_constant_are_drawn():
    for count in (1, 50):
        rows = frame_of(draw([Line("loss", STEPS[:count], np.full(count, 3.5))], 40, 5))
        assert "".join(rows).strip()


def test_lines_without_colours_have_characters_of_their_own():
    lines = [Line(name, STEPS[:9], STEPS[:9] * number) for number, name in enumerate(["a", "b", "c"])]
    plain = draw(lines, 60, 8)
    assert plain.endswith("━ a  o b  x c") and not COLOR.search(plain)
    assert {"o", "x"} <= set("".join(frame_of(plain)))
    ascii_only = draw(lines, 60, 8, ascii_only=True)
    assert ascii_only.isascii() and ascii_only.endswith("* a  o b  x c")


def test_colours_come_only_when_asked_and_change_nothing_else():
    lines = [Line("loss", STEPS, STEPS % 7, 0)]
    colored = draw(lines, 60, 8, has_colors=True)
    assert COLOR.search(colored) and COLOR.sub("", colored) == draw(lines, 60, 8)


def test_x_is_labelled_at_both_ends_in_the_words_of_the_caller():
    chart = draw([Line("loss", STEPS, STEPS)], 50, 4, format_x=lambda value: f"<{value:g}>")
    ends = chart.split("\n")[-2]
    assert ends.split() == ["<1>", "<10000>"] and len(ends) == 50


def test_clock_that_went_back_and_unknown_places_are_drawn_in_order():
    x = as_floats([3, 1, np.nan, 2])
    shuffled = draw([Line("loss", x, x)], 40, 4)
    assert shuffled == draw([Line("loss", as_floats([1, 2, 3]), as_floats([1, 2, 3]))], 40, 4)


def test_names_cannot_drive_the_terminal():
    name = "\x1b]0;title\x07\x1b[2J\x9b1mloss\u202e\u200b\ud800\r\nnext\x1b"
    assert shown_name(name) == "1mloss  next"
    chart = draw([Line(name, STEPS, STEPS)])
    assert "\x1b" not in chart and chart.endswith("━ 1mloss  next")


@pytest.mark.parametrize(
    ("name", "shown"), [("损失" * 10, "损失损失…"), ("abcdefghij", "abcdefghij"), ("a" * 11, "a" * 9 + "…")]
)
def test_names_are_cut_by_places(name, shown):
    assert shown_name(name, 10) == shown and text_width(shown) <= 10


def test_accents_without_end_are_cut():
    assert len(shown_name("a" + "\u0301" * 5000, 10)) <= 41


def test_legend_of_many_lines_ends():
    lines = [Line(f"run{number}", STEPS[:2], STEPS[:2]) for number in range(100)]
    chart = draw(lines, 80, 4)
    assert "run39" in chart and "run40" not in chart and chart.endswith("+60")


def test_sparkline_keeps_the_spike_and_marks_what_is_no_number():
    values = np.zeros(1000)
    values[500] = 1.0
    assert sparkline(values, 10).count("█") == 1
    values[10] = np.nan
    assert sparkline(values, 10).startswith("×") and len(sparkline(values, 10)) == 10
    assert sparkline(as_floats([]), 10) == "" and sparkline(as_floats([np.nan]), 10) == "×"
    assert len(set(sparkline(np.ones(5), 10))) == 1


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("ascii", False), (None, False), ("?", False)]
)
def test_an_encoding_knows_braille_or_not(encoding, can):
    assert is_drawable(encoding) is can


curves = st.lists(st.tuples(st.floats(), st.floats(), st.text(max_size=5)), max_size=12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(curves, max_size=3),
    st.integers(-5, 500),
    st.integers(-5, 120),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_whatever_the_points_are_a_bounded_chart_comes_out(points, width, height, options):
    lines = [
        Line("".join(name for _, _, name in curve), as_floats([x for x, _, _ in curve]),
             as_floats([y for _, y, _ in curve]), number)
        for number, curve in enumerate(points)
    ]  # fmt: skip
    chart = draw(lines, width, height, *options)
    plain = COLOR.sub("", chart)
    assert "\x1b" not in plain and "\r" not in plain
    assert len(plain.split("\n")) <= max(2, min(height, 100)) + 6
    for line in lines:
        assert len(sparkline(line.y, 10)) <= 10
