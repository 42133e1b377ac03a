"""How lines look: traces of Plotly as plain dicts, their numbers packed as typed arrays.

Names are put in as they are; the page's element escapes them.
"""

import base64
from functools import lru_cache
from typing import Any

import numpy as np

from glmcore.curves.metric_names import Direction, Part
from glmcore.curves.numbers import AnyArray, FloatArray
from glmcore.curves.views.colours import greyed, rgba
from glmcore.curves.views.drawing import GroupLine
from glmcore.curves.views.lines import KEPT_LINES, Line, Points
from glmcore.curves.views.names import short_name

Trace = dict[str, Any]

FEW_POINTS = 60  # an eval curve of at most so many has a dot at each
_RAW_OPACITY = 0.25
_SINGLE_DETAIL = 1e-5  # of the range of y; what single precision must resolve


def encode(values: AnyArray, dtype: str) -> dict[str, str]:
    """An array as Plotly reads it: `f8`, `f4` or `i4`."""
    data = np.ascontiguousarray(values, dtype=f"<{dtype}").tobytes()
    return {"dtype": dtype, "bdata": base64.b64encode(data).decode("ascii")}


def encode_y(values: FloatArray) -> dict[str, str]:
    """In single precision where nothing that can be seen is lost by it."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return encode(values, "f4")
    sizes = np.abs(finite[finite != 0.0])
    limits = np.finfo(np.float32)
    if not np.all((sizes <= limits.max) & (sizes >= limits.smallest_normal)):
        return encode(values, "f8")
    low, high = np.percentile(finite, (5, 95))  # a spike would hide how fine the rest is
    resolves = max(abs(low), abs(high)) * limits.eps <= (high - low) * _SINGLE_DETAIL
    return encode(values, "f4" if resolves else "f8")


def line_traces(line: Line, colour: str, shows_raw: bool) -> list[Trace]:
    """The curve of a run: as logged, or smoothed with the logged one faint behind it.

    Those of runs that do not grow are kept with their lines: do not change them.
    """
    return (_line_traces if line.run.status.is_live else _kept_traces)(line, colour, shows_raw)


def _line_traces(line: Line, colour: str, shows_raw: bool) -> list[Trace]:
    points, traces = line.points, []
    look = {"color": colour, "width": 1.8, "dash": "dash" if line.part is Part.EVAL else "solid"}
    if line.superseded is not None and len(line.superseded):
        old = {"color": greyed(colour), "width": 1, "dash": "dot"}
        traces += _joined(line, line.superseded, line.superseded.values, "superseded", old, opacity=0.7)
    if points.smoothed is None:
        return traces + _joined(line, points, points.values, "line", look)
    if shows_raw:
        faint = {"color": colour, "width": 1}
        traces += _joined(line, points, points.values, "raw", faint, opacity=_RAW_OPACITY, hoverinfo="skip")
    return traces + _joined(line, points, points.smoothed, "smooth", look)


_kept_traces = lru_cache(maxsize=KEPT_LINES)(_line_traces)


def lost_trace(line: Line, colour: str, y: float, limit: int) -> Trace:
    """Marks at the height `y` where the run logged what is no number, at most `limit` of them."""
    places = np.unique(np.linspace(0, len(line.lost_x) - 1, min(limit, len(line.lost_x))).astype(np.int64))
    spelled = ["NaN" if np.isnan(value) else f"{value:+}" for value in line.lost_values[places].tolist()]
    marker = {"symbol": "x", "size": 7, "color": colour}
    x = line.lost_x[places]
    return _trace(
        line, "marks", x, encode(np.full(len(x), y), "f8"), mode="markers", marker=marker, hovertext=spelled
    )


def best_trace(line: Line, colour: str) -> Trace:
    """A star at the best point, and its value."""
    assert line.best is not None
    x, value = line.best
    is_lower = line.direction is Direction.LOWER
    return _trace(
        line,
        "best",
        np.array([x]),
        encode(np.array([value]), "f8"),
        mode="markers+text",
        marker={"symbol": "star", "size": 11, "color": colour, "line": {"width": 1, "color": "white"}},
        text=[f"{value:.4g}"],
        textposition="bottom center" if is_lower else "top center",
        cliponaxis=False,  # the best is often the last, at the edge
    )


def note_trace(line: Line, colour: str, x: FloatArray, y: FloatArray, texts: list[str]) -> Trace:
    """Remarks at their steps."""
    marker = {"symbol": "triangle-down", "size": 10, "color": colour}
    return _trace(
        line, "note", x, encode_y(y), mode="markers", marker=marker, hovertext=[short_name(t) for t in texts]
    )


def group_traces(line: GroupLine, colour: str, lowest: float) -> list[Trace]:
    """The band of a group as one outline, forth along its low and back along its high, and the mean on it.

    Args:
        lowest: where the band is cut off, since a logarithmic scale has no place for 0 and less.
    """
    curve = line.curve
    meta = {"group": short_name(line.label), "metric": short_name(line.metric), "part": str(line.part)}
    common: Trace = {"type": "scatter", "name": short_name(line.label), "mode": "lines"}
    known = np.isfinite(curve.low) & np.isfinite(curve.high)
    x, low, high = curve.x[known], np.maximum(curve.low[known], lowest), curve.high[known]
    band: Trace = {
        "x": encode(np.concatenate((x, x[::-1])), "f8"),
        "y": encode_y(np.concatenate((low, high[::-1]))),
        "fill": "toself",
        "fillcolor": rgba(colour, 0.18),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "meta": {**meta, "kind": "band"},
    }
    mean: Trace = {
        "x": encode(curve.x, "f8"),
        "y": encode_y(curve.mean),
        "line": {"color": colour, "width": 2, "dash": "dash" if line.part is Part.EVAL else "solid"},
        "meta": {**meta, "kind": "line"},
    }
    has_band = len(x) > 0 and int(curve.num_runs.max()) > 1
    return [common | trace for trace in ([band, mean] if has_band else [mean])]


def _joined(
    line: Line, points: Points, y: FloatArray, kind: str, look: dict[str, Any], **others: Any
) -> list[Trace]:
    """A line with its interruptions, and dots for points without a neighbour, which no line would show."""
    if not len(points):
        return []
    has_dots = kind in ("line", "smooth") and line.part is Part.EVAL and len(points) <= FEW_POINTS
    after = np.flatnonzero(points.breaks[:-1]) + 1
    marker = {"size": 5, "color": look["color"]}
    traces = [
        _trace(
            line,
            kind,
            np.insert(points.x, after, points.x[after - 1]),
            encode_y(np.insert(y, after, np.nan)),
            mode="lines+markers" if has_dots else "lines",
            line=look,
            **({"marker": marker} if has_dots else {}),
            **others,
        )
    ]
    alone = points.breaks & np.append(True, points.breaks[:-1])
    if alone.any() and not has_dots:
        dots = encode_y(y[alone])
        traces.append(_trace(line, kind, points.x[alone], dots, mode="markers", marker=marker, **others))
    return traces


def _trace(source: Line, kind: str, x: FloatArray, y: dict[str, str], **look: Any) -> Trace:
    return {
        "type": "scatter",
        "name": short_name(source.run.name),
        "x": encode(x, "f8"),
        "y": y,
        "meta": {
            "run": source.run.id,
            "kind": kind,
            "metric": short_name(source.metric),
            "part": str(source.part),
        },
        **look,
    }
