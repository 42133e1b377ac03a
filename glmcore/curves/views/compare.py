"""Hyper-parameters against results: a scatter of one setting, and parallel coordinates of many.

Figures of Plotly as plain dicts, for `st.plotly_chart`; names are escaped here, since that element does not.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glmcore.curves.metric_names import Direction
from glmcore.curves.run import ConfigValue, Run
from glmcore.curves.views.best import best_point, last_finite
from glmcore.curves.views.names import plotly_text

Figure = dict[str, Any]

_LOG_FROM = 99.0  # positive values that span more than so many times, as 1e-4 to 1e-2, get a log scale
_NO_VALUE = "–"
_NUM_TICKS = 5


def result_of(run: Run, metric: str, direction: Direction) -> float | None:
    """The best value of a metric, or the last where none is better than another."""
    if metric not in run.curves:
        return None
    series = run.curves[metric]
    if direction is Direction.NEITHER:
        return last_finite(series)
    best = best_point(series, direction)
    return None if best is None else best.value


def scatter(
    runs: Sequence[Run], config_key: str, metric: str, direction: Direction, colours: Mapping[str, str]
) -> Figure:
    """One dot for each run that has both the setting and the metric."""
    found = [(run, run.config.get(config_key), result_of(run, metric, direction)) for run in runs]
    dots = [(run, value, result) for run, value, result in found if value is not None and result is not None]
    values = [value for _, value, _ in dots]
    numbers = _numbers(values)
    axis = "category" if numbers is None else "log" if _fits_log(numbers) else "linear"
    x = [plotly_text(str(value)) for value in values] if numbers is None else numbers
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": [result for _, _, result in dots],
        "hovertext": [f"{plotly_text(run.name)}<br>{plotly_text(str(v))}: {y:.6g}" for run, v, y in dots],
        "hoverinfo": "text",
        "marker": {"size": 10, "color": [colours.get(run.id, "#888888") for run, _, _ in dots]},
    }
    layout = {
        "xaxis": {"type": axis, "title": {"text": plotly_text(config_key)}},
        "yaxis": {"title": {"text": plotly_text(metric)}},
        "showlegend": False,
        "margin": {"t": 24, "r": 24},
        "height": 340,
    }
    return {"data": [trace], "layout": layout}


def parallel_coordinates(
    runs: Sequence[Run], config_keys: Sequence[str], metric: str, direction: Direction
) -> Figure:
    """One line for each run that has the metric, through its settings to its result."""
    found = [(run, result) for run in runs if (result := result_of(run, metric, direction)) is not None]
    results = [result for _, result in found]
    dimensions = [_dimension(key, [run.config.get(key) for run, _ in found]) for key in config_keys]
    dimensions.append(_dimension(metric, list(results)))
    lines = {
        "color": results,
        "colorscale": "Viridis",
        "showscale": True,
        "reversescale": direction is Direction.LOWER,  # the best are the brightest
    }
    layout = {"margin": {"l": 72, "r": 72, "t": 48, "b": 24}, "height": 340}
    return {"data": [{"type": "parcoords", "dimensions": dimensions, "line": lines}], "layout": layout}


def _dimension(name: str, values: Sequence[ConfigValue]) -> dict[str, Any]:
    """One upright axis; runs without a value meet below the others."""
    given = [value for value in values if _is_given(value)]
    numbers = _numbers(given)
    if numbers is None:
        return {"label": plotly_text(name), **_categories(values)}
    is_log = _fits_log(numbers)
    heights = iter(np.log10(numbers).tolist() if is_log else numbers)
    placed = [next(heights) if _is_given(value) else None for value in values]
    known = [height for height in placed if height is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    ticks = sorted({low * (1 - part) + high * part for part in np.linspace(0, 1, _NUM_TICKS).tolist()})
    texts = [f"{10.0**tick if is_log else tick:.3g}" for tick in ticks]
    if len(known) < len(placed):
        below = low - ((high - low) * 0.15 or 1.0)
        placed = [below if height is None else height for height in placed]
        ticks, texts = [below, *ticks], [_NO_VALUE, *texts]
    return {"label": plotly_text(name), "values": placed, "tickvals": ticks, "ticktext": texts}


def _categories(values: Sequence[ConfigValue]) -> dict[str, Any]:
    texts = [str(value) if _is_given(value) else _NO_VALUE for value in values]
    places = {text: place for place, text in enumerate(sorted(set(texts)))}
    return {
        "values": [places[text] for text in texts],
        "tickvals": list(places.values()),
        "ticktext": [plotly_text(text) for text in places],
    }


def _is_given(value: ConfigValue) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _numbers(values: Sequence[ConfigValue]) -> list[float] | None:
    """The values as numbers; None where one of them is a text, a truth or no finite number."""
    try:
        numbers = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    except OverflowError:
        return None
    return numbers if len(numbers) == len(values) and all(map(math.isfinite, numbers)) else None


def _fits_log(numbers: Sequence[float]) -> bool:
    return bool(numbers) and min(numbers) > 0.0 and max(numbers) / _LOG_FROM > min(numbers)
