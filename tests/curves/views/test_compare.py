import json
from pathlib import Path

import numpy as np
import pytest

from glmcore.curves.metric_names import Direction
from glmcore.curves.run import Run
from glmcore.curves.series import make_series
from glmcore.curves.views.compare import parallel_coordinates, result_of, scatter

LOWER, NEITHER = Direction.LOWER, Direction.NEITHER


def run_with(name, config, *values, metric="eval_loss"):
    curves = {metric: make_series(np.arange(float(len(values))), np.array(values))} if values else {}
    return Run(name, name, Path(name), "CSV", curves, config)


def test_the_result_of_a_run_is_its_best_or_where_nothing_is_better_its_last():
    assert result_of(run_with("a", {}, 3.0, 1.0, 2.0), "eval_loss", LOWER) == 1.0
    assert result_of(run_with("a", {}, 3.0, 1.0, 2.0, metric="memory"), "memory", NEITHER) == 2.0
    assert result_of(run_with("a", {}, np.nan), "eval_loss", LOWER) is None
    assert result_of(run_with("a", {}), "eval_loss", LOWER) is None


@pytest.mark.parametrize(
    ("values", "axis"),
    [((1e-4, 1e-2), "log"), ((1, 50), "linear"), ((-1, 1000), "linear"), ((True, False), "category")],
)
def test_the_axis_of_a_scatter_fits_its_values(values, axis):
    runs = [run_with(str(value), {"lr": value}, 1.0) for value in values]
    figure = scatter(runs, "lr", "eval_loss", LOWER, {})
    assert figure["layout"]["xaxis"]["type"] == axis and len(figure["data"][0]["x"]) == 2


def test_runs_without_setting_or_result_are_no_dots():
    runs = [run_with("a", {"lr": 1}, 1.0), run_with("b", {}, 1.0), run_with("c", {"lr": 1})]
    figure = scatter(runs, "lr", "eval_loss", LOWER, {"a": "#004bff"})
    assert figure["data"][0]["y"] == [1.0] and figure["data"][0]["marker"]["color"] == ["#004bff"]


def test_names_are_escaped():
    run = run_with("<b>run", {"<i>key": "<u>value"}, 1.0, metric="<s>loss")
    for figure in (
        scatter([run], "<i>key", "<s>loss", LOWER, {}),
        parallel_coordinates([run], ["<i>key"], "<s>loss", LOWER),
    ):
        text = json.dumps(figure).replace("<br>", "")
        assert "<" not in text and "&lt;" in text


def test_parallel_coordinates_show_numbers_texts_and_what_is_missing():
    runs = [
        run_with("a", {"lr": 1e-5, "method": "lora", "rank": 8}, 1.0),
        run_with("b", {"lr": 1e-2, "method": "full", "rank": None}, 2.0),
        run_with("c", {"lr": 1e-3, "method": "lora", "rank": 16}),
    ]
    [trace] = parallel_coordinates(runs, ["lr", "method", "rank", "gone"], "eval_loss", LOWER)["data"]
    rate, method, rank, gone, result = trace["dimensions"]
    assert rate["values"] == [-5, -2] and rate["ticktext"][0] == "1e-05"
    assert method["ticktext"] == ["full", "lora"] and method["values"] == [1, 0]
    assert rank["values"][1] < rank["values"][0] and rank["ticktext"][0] == "–"
    assert gone["values"][0] == gone["values"][1] and result["values"] == [1, 2]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**400, "", "x" * 10_000, 1e308, -1e308, None]
)
def test_odd_settings_can_be_drawn(value):
    runs = [
        run_with("a", {"k": value}, 1.0),
        run_with("b", {"k": 1.0}, 2.0),
        run_with("c", {"k": -1e308}, 2.0),
    ]
    figures = [
        scatter(runs, "k", "eval_loss", LOWER, {}),
        parallel_coordinates(runs, ["k"], "eval_loss", LOWER),
    ]
    assert len(json.dumps(figures, allow_nan=False)) < 20_000
    assert json.dumps(scatter([], "k", "x", LOWER, {})) and json.dumps(
        parallel_coordinates([], ["k"], "x", LOWER)
    )
