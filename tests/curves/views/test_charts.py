import base64
import json
import math
import time
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.run import Run
from glmcore.curves.series import make_series
from glmcore.curves.views.axes import Axis
from glmcore.curves.views.charts import build_charts
from glmcore.curves.views.grouping import Band
from glmcore.curves.views.smoothing import Smoothing, SmoothingMethod
from glmcore.curves.views.view import StepMark, View


def curve(values, steps=None, **others):
    values = np.asarray(values, dtype=float)
    return make_series(np.arange(1.0, len(values) + 1) if steps is None else steps, values, **others)


def run_with(name="run", config=None, **curves):
    return Run(name, name, Path(name), "CSV", curves, config or {})


def charts_of(runs, **choices):
    runs = [runs] if isinstance(runs, Run) else runs
    return build_charts(runs, View(**choices), {run.id: "#004bff" for run in runs})


def decoded(array):
    return np.frombuffer(base64.b64decode(array["bdata"]), dtype=f"<{array['dtype']}")


def traces_of(chart, *kinds):
    return [trace for trace in chart.traces if trace["meta"]["kind"] in kinds]


def notes_of(chart):
    return " ".join(note.text for note in chart.footnotes)


def test_train_is_solid_and_eval_dashed_with_dots_in_one_chart():
    [chart] = charts_of(
        run_with(loss=curve(np.arange(100.0)), eval_loss=curve([3, 2], np.array([50.0, 100.0])))
    )
    train, evaluation = traces_of(chart, "line")
    assert chart.title == "loss" and train["line"]["dash"] == "solid" and train["mode"] == "lines"
    assert evaluation["line"]["dash"] == "dash" and evaluation["mode"] == "lines+markers"
    assert decoded(evaluation["x"]).tolist() == [50, 100] and decoded(evaluation["y"]).tolist() == [3, 2]
    assert train["meta"] == {"run": "run", "kind": "line", "metric": "loss", "part": "train"}
    assert notes_of(chart) == "Showing 102 of 102 points."


def test_the_raw_curve_is_faint_behind_the_smoothed_one_of_all_points():
    values = np.random.default_rng(0).normal(size=30_000)
    [chart] = charts_of(run_with(loss=curve(values)), smoothing=Smoothing(weight=0.9), shows_best=False)
    raw, smooth = chart.traces
    assert (raw["meta"]["kind"], smooth["meta"]["kind"]) == ("raw", "smooth") and raw["opacity"] == 0.25
    steps = decoded(smooth["x"]).astype(int)
    expected = pd.Series(values).ewm(alpha=0.1).mean().to_numpy()[steps - 1]
    np.testing.assert_allclose(decoded(smooth["y"]), expected, atol=1e-6)
    [chart] = charts_of(run_with(loss=curve(values)), smoothing=Smoothing(weight=0.9), shows_raw=False)
    assert traces_of(chart, "smooth") and not traces_of(chart, "raw")


def test_nan_and_infinity_interrupt_the_line_and_are_marked_at_the_bottom():
    [chart] = charts_of(run_with(loss=curve([5, 4, np.nan, 3, 2, np.inf, 6, 5])))
    [line], [marks] = traces_of(chart, "line"), traces_of(chart, "marks")
    assert [str(value) for value in decoded(line["y"])] == [
        "5.0",
        "4.0",
        "nan",
        "3.0",
        "2.0",
        "nan",
        "6.0",
        "5.0",
    ]
    assert decoded(marks["x"]).tolist() == [3, 6] and decoded(marks["y"]) == pytest.approx([2, 2])
    assert marks["hovertext"] == ["NaN", "+inf"] and marks["marker"]["symbol"] == "x"
    assert "NaN or infinite: 2; marked by a cross: 2" in notes_of(chart)


def test_a_long_stretch_of_nan_is_a_gap_after_decimation_too_and_its_marks_are_bounded():
    values = np.random.default_rng(0).normal(size=100_000)
    values[40_000:60_000] = np.nan
    [chart] = charts_of(run_with(other=curve(values)))
    [line], [marks] = traces_of(chart, "line"), traces_of(chart, "marks")
    assert np.count_nonzero(np.isnan(decoded(line["y"]))) == 1 and len(decoded(marks["x"])) == 200
    assert "NaN or infinite: 20000; marked by a cross: 200" in notes_of(chart)


def test_points_between_nan_are_dots_since_no_line_would_show_them():
    [chart] = charts_of(run_with(loss=curve([1, np.nan, 2, np.nan, 3, 4])))
    line, dots = traces_of(chart, "line")
    assert line["mode"] == "lines" and dots["mode"] == "markers" and decoded(dots["y"]).tolist() == [1, 2]
    [chart] = charts_of(run_with(loss=curve([7])))
    assert [trace["mode"] for trace in traces_of(chart, "line")] == ["lines", "markers"]


def test_the_best_point_is_marked_of_the_evaluation_where_there_is_one():
    run = run_with(
        loss=curve([3, 1, 2]), eval_loss=curve([3, 2.5, 2.75]), eval_accuracy=curve([0.1, 0.3, 0.2])
    )
    by_title = {chart.title: chart for chart in charts_of(run)}
    [star] = traces_of(by_title["loss"], "best")
    assert star["text"] == ["2.5"] and decoded(star["x"]) == [2] and star["marker"]["symbol"] == "star"
    assert traces_of(by_title["accuracy"], "best")[0]["text"] == ["0.3"]
    assert not traces_of(charts_of(run, x_range=(2.5, 3))[0], "best")
    assert not traces_of(charts_of(run, shows_best=False)[0], "best")
    assert not traces_of(charts_of(run_with(learning_rate=curve([1, 2])))[0], "best")


def test_what_a_resume_replaced_is_dotted_and_only_there_when_asked_for():
    run = run_with(loss=curve([5, 4, 3, 9, 8, 2], np.array([1.0, 2.0, 3.0, 2.0, 3.0, 4.0])))
    assert not traces_of(charts_of(run)[0], "superseded")
    [old] = traces_of(charts_of(run, shows_superseded=True)[0], "superseded")
    assert decoded(old["y"]).tolist() == [4, 3] and old["line"]["dash"] == "dot"


def test_a_log_scale_is_true_and_says_what_has_no_place_on_it():
    [chart] = charts_of(run_with(loss=curve([10, 0, 1, -5, 0.1])), log_y=True)
    line = traces_of(chart, "line")[0]
    assert chart.layout["yaxis"] == {"type": "log"} and np.nanmin(decoded(line["y"])) == np.float32(0.1)
    assert "because they are not positive: 2." in notes_of(chart)


def test_outliers_are_clipped_and_counted():
    values = np.r_[np.random.default_rng(0).random(1_000), 1e9]
    [chart] = charts_of(run_with(loss=curve(values)), clip=True)
    low, high = chart.layout["yaxis"]["range"]
    assert -0.1 < low < 0.1 and 0.9 < high < 1.1 and "outside of the range shown" in notes_of(chart)


def test_zooming_loads_the_detail_of_the_range_and_fits_y_to_it():
    values = np.r_[1e6, np.random.default_rng(0).random(99_999)]
    [chart] = charts_of(run_with(loss=curve(values)), x_range=(500.0, 1_500.0))
    [line] = traces_of(chart, "line")
    assert decoded(line["x"]).tolist() == list(range(499, 1_502)) and chart.layout["xaxis"]["range"] == [
        500,
        1500,
    ]
    assert chart.layout["yaxis"]["range"][1] < 1.2 and notes_of(chart) == "Showing 1003 of 1003 points."


def test_runs_without_the_axis_are_named():
    known = run_with("known", loss=curve([1, 2], along={"epoch": np.array([0.5, 1.0])}))
    [chart] = charts_of([known, run_with("other", loss=curve([1, 2]))], axis=Axis.EPOCH)
    assert len(traces_of(chart, "line")) == 1 and "do not have this x axis: 1 (other)" in notes_of(chart)


def test_clock_time_is_a_date_axis():
    [chart] = charts_of(run_with(loss=curve([1, 2], times=np.array([1.7e9, 1.7e9 + 1]))), axis=Axis.WALL)
    assert chart.layout["xaxis"]["type"] == "date" and decoded(chart.traces[0]["x"])[0] == 1.7e12


def test_remarks_lie_on_the_curve_of_their_run():
    runs = [run_with("a", loss=curve([3, 2, 1])), run_with("b", loss=curve([3, 3, 3]))]
    [chart] = charts_of(runs, marks=(StepMark("a", 2.0, "<b>warmup</b> ends"), StepMark("gone", 1.0, "?")))
    [note] = traces_of(chart, "note")
    assert note["meta"]["run"] == "a" and note["hovertext"] == ["<b>warmup</b> ends"]
    assert decoded(note["x"]) == [2] and decoded(note["y"]) == [2]


def test_groups_are_drawn_as_mean_and_band():
    runs = [run_with(str(n), {"lr": n % 2}, loss=curve(np.full(10, float(n)))) for n in range(4)]
    [chart] = charts_of(
        [*runs, run_with("x", {"lr": 9}, loss=curve([1, 2]))], group_by="lr", band=Band.MINMAX
    )
    assert [trace["meta"]["kind"] for trace in chart.traces] == ["band", "line", "band", "line", "line"]
    assert [trace["name"] for trace in traces_of(chart, "line")] == ["0", "1", "9"]
    assert (decoded(traces_of(chart, "line")[1]["y"]) == 2).all()
    assert decoded(traces_of(chart, "band")[1]["y"]).tolist() == [1] * 10 + [3] * 10


def test_a_band_on_a_log_scale_stays_on_it():
    runs = [run_with(str(n), {"lr": 1}, loss=curve([value] * 5)) for n, value in enumerate([1.0, 100.0])]
    [chart] = charts_of(runs, group_by="lr", log_y=True)
    assert decoded(traces_of(chart, "band")[0]["y"]).min() > 0


def test_a_narrow_range_far_from_zero_keeps_double_precision():
    [chart] = charts_of(run_with(loss=curve([1e6 + 0.001, 1e6 + 0.002])))
    assert decoded(chart.traces[0]["y"]).tolist() == [1e6 + 0.001, 1e6 + 0.002]
    assert charts_of(run_with(loss=curve([1.0, 2.0])))[0].traces[0]["y"]["dtype"] == "f4"
    assert charts_of(run_with(loss=curve([1.0, 1e300])))[0].traces[0]["y"]["dtype"] == "f8"
    assert charts_of(run_with(loss=curve([1.0, 1e-50])))[0].traces[0]["y"]["dtype"] == "f8"


def test_revisions_tell_what_changed():
    first, again = (charts_of(run_with(loss=curve([3, 2])))[0] for _ in range(2))
    other = charts_of(run_with(loss=curve([3, 2, 1])))[0]
    assert first.revision == again.revision != other.revision and first.id == other.id


def test_the_figures_are_bounded_whatever_the_length_of_the_runs():
    steps = np.arange(1.0, 50_001)
    series = curve(np.random.default_rng(0).normal(size=50_000), steps)
    runs = [run_with(str(n), loss=series, eval_loss=series, other=series) for n in range(20)]
    charts = charts_of(runs, smoothing=Smoothing(weight=0.6), points=10**9)
    points = sum(len(decoded(trace["x"])) for chart in charts for trace in chart.traces)
    assert 100_000 < points <= 120_500 and len(orjson.dumps([c.traces for c in charts])) < 2_500_000
    assert "of 2000000 points" in notes_of(charts[0])


def test_hostile_names_stay_as_they_are_and_encodable():
    name = "<script>alert(1)</script>" + "\udcff" + "x" * 10_000
    [chart] = charts_of(Run("1", name, Path("."), "CSV", {name: curve([1, 2])}, {name: name}))
    written = orjson.dumps([chart.title, chart.traces])
    assert len(written) < 5_000 and chart.traces[0]["name"].startswith("<script>")


numbers = st.floats() | st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 1.7e9])
finite = numbers.filter(math.isfinite)
columns = st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=30)
views = st.builds(
    View,
    axis=st.sampled_from(Axis),
    smoothing=st.builds(Smoothing, st.sampled_from(SmoothingMethod), st.floats(0, 1, exclude_max=True)),
    log_y=st.booleans(),
    clip=st.booleans(),
    shows_raw=st.booleans(),
    shows_superseded=st.booleans(),
    x_range=st.none() | st.tuples(finite, finite).map(sorted).map(tuple),
    group_by=st.sampled_from([None, "lr"]),
    band=st.sampled_from(Band),
    marks=st.just((StepMark("0", 1.0, "x"), StepMark("1", float("nan"), "y"))),
)


def check_any(logs, view):
    runs = []
    for number, rows in enumerate(logs):
        steps, values, times, epochs = (np.array([row[at] for row in rows], dtype=float) for at in range(4))
        series = make_series(steps, values, times, {"epoch": epochs})
        curves = {"loss": series, "eval_loss": series, "speed": series}
        runs.append(run_with(str(number), {"lr": number % 2}, **curves))
    charts = build_charts(runs, view, {})
    for chart in charts:
        json.dumps(
            [chart.title, chart.traces, chart.layout, [note.text for note in chart.footnotes]],
            allow_nan=False,
        )
        for trace in chart.traces:
            assert len(decoded(trace["x"])) == len(decoded(trace["y"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(columns, min_size=1, max_size=3), views)
def test_any_numbers_in_any_view_can_be_drawn(logs, view):
    check_any(logs, view)
    assert True  # no exception, and strict JSON


@pytest.mark.slow
@settings(max_examples=2_000, deadline=None)
@given(st.lists(columns, min_size=1, max_size=3), views)
def test_two_thousand_random_views_can_be_drawn(logs, view):
    check_any(logs, view)
    assert True


@pytest.mark.slow
def test_five_million_points_are_drawn_within_a_second():
    run = run_with(loss=curve(np.random.default_rng(0).normal(size=5_000_000)))
    charts_of(run_with(loss=curve([1, 2, 3])), smoothing=Smoothing(weight=0.9))  # imports pandas
    taken = []
    for _ in range(3):
        started = time.process_time()
        [chart] = charts_of(run, smoothing=Smoothing(weight=0.9), clip=True)
        taken.append(time.process_time() - started)
    assert min(taken) < 1.0 and "of 5000000 points" in notes_of(chart)
