import csv
import io
import math
import time
from pathlib import Path

import numpy as np
import pytest

from glmcore.curves.run import Run
from glmcore.curves.series import make_series
from glmcore.curves.views.export import iter_all_csv, iter_shown_csv
from glmcore.curves.views.smoothing import Smoothing
from glmcore.curves.views.view import View


def run_with(name, config=None, **curves):
    return Run(name, name, Path(name), "CSV", curves, config or {})


def rows_of(pieces):
    return list(csv.DictReader(io.StringIO("".join(pieces))))


def test_all_points_of_all_metrics_are_exported_with_what_was_superseded():
    steps = np.array([1.0, 2.0, 2.0, 3.0])
    values, times = np.array([0.1, np.nan, 1e-7, np.inf]), np.array([5.0, np.nan, 6.0, 7.0])
    series = make_series(steps, values, times, {"epoch": steps / 4})
    rows = rows_of(iter_all_csv([run_with('a,\n"b', loss=series), run_with("c", lr=series)]))
    assert len(rows) == 8 and {row["run"] for row in rows} == {'a,\n"b', "c"}
    assert [row["step"] for row in rows[:4]] == ["1", "2", "3", "2"]
    assert [row["superseded"] for row in rows[:4]] == ["0", "0", "0", "1"]
    assert [float(row["value"]) for row in rows[:3]] == [0.1, 1e-7, math.inf] and rows[3]["value"] == "nan"
    assert rows[0]["epoch"] == "0.25" and rows[0]["tokens_seen"] == "" and rows[3]["time"] == ""


def test_names_are_no_formulas_for_spreadsheets():
    series = make_series(np.array([1.0]), np.array([-2.0]))
    [row] = rows_of(iter_all_csv([run_with("=HYPERLINK(1)", **{"@metric\udcff": series})]))
    assert row["run"] == "'=HYPERLINK(1)" and row["metric"] == "'@metric?" and row["value"] == "-2"


def test_exactly_the_drawn_points_are_exported():
    values = np.random.default_rng(0).random(10_000)
    run = run_with("a", loss=make_series(np.arange(10_000.0), values))
    rows = rows_of(iter_shown_csv([run], View(smoothing=Smoothing(weight=0.9), points=500)))
    assert 490 <= len(rows) <= 500 and {row["part"] for row in rows} == {"train"}
    assert all(float(row["value"]) == values[int(row["step"])] for row in rows)
    assert all(0 < float(row["smoothed"]) < 1 for row in rows) and rows[9]["x"] == rows[9]["step"]


def test_groups_are_exported_as_their_means():
    series = make_series(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    runs = [run_with(name, {"lr": 0.1}, loss=series) for name in "ab"]
    rows = rows_of(iter_shown_csv(runs, View(group_by="lr")))
    assert (
        [row["mean"] for row in rows] == ["1", "3"] and rows[0]["group"] == "0.1" and rows[0]["runs"] == "2"
    )


@pytest.mark.slow
def test_half_a_million_rows_are_written_in_a_second():
    steps = np.arange(1e6)
    run = run_with("a", loss=make_series(steps, np.random.default_rng(0).normal(size=10**6), 1.7e9 + steps))
    started = time.process_time()
    num_rows = sum(piece.count("\n") for piece in iter_all_csv([run]))
    assert num_rows == 10**6 + 1 and num_rows / (time.process_time() - started) > 500_000
