"""A grid of live charts that keeps its zoom and its readout while new data arrive.

Streamlit 1.67 mounts a plotly chart anew whenever its data change, and zoom and hover are lost. Here the
nodes stay and `Plotly.react` is given the new data. What is drawn comes from `glmcore.curves.views`; what the
reader does comes back as a `ChartsState`. The browser is not trusted: anything odd counts as not said.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import streamlit as st

from glmcore.api.assets import PLOTLY_URL

# The texts that `show_charts` needs: the names of buttons, how a chart is used (told by screen readers),
# "{count}" rows that had no place in a readout, and the sentence shown when plotly.js cannot be loaded.
LABELS = ("png", "svg", "enlarge", "shrink", "use", "more", "failed")
# A browser that says more is not believed: pixels of one chart, and places on an x axis.
MAX_WIDTH, MAX_X = 8192, 1e18

_FOLDER = Path(__file__).parent


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


# Plotly adds its rules of style to the page, where a shadow root would not see them: hence not isolated.
# Streamlit takes one text as the program, so its parts have no imports.
_mount = st.components.v2.component(
    "glmcore_curve_charts",
    css=_text("curve_charts.css"),
    js="\n".join(_text(part) for part in ("values.js", "card.js", "grid.js")),
    isolate_styles=False,
)


class DrawnChart(Protocol):
    """What is read of `glmcore.curves.views.charts.Chart`."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def traces(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def layout(self) -> Mapping[str, Any]: ...
    @property
    def revision(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Picked:
    """A point that was clicked: its place on the x axis, its chart and its run."""

    x: float
    chart: str
    run: str


@dataclass(frozen=True, slots=True)
class ChartsState:
    """What the reader sees and does.

    Attributes:
        x_range: the range zoomed to, in the x values of the traces; None while all is shown.
        width: pixels that the widest chart has for its points; None before the browser has said it.
        picked: the point clicked since the last run of the script, for one run only.
    """

    x_range: tuple[float, float] | None = None
    width: int | None = None
    picked: Picked | None = None


def show_charts(
    charts: Sequence[DrawnChart],
    *,
    key: str,
    labels: Mapping[str, str],
    x_range: tuple[float, float] | None,
    height: int,
    is_date_axis: bool,
    x_title: str = "",
    footnotes: Mapping[str, Sequence[str]] | None = None,
    on_change: Callable[[], None] | None = None,
) -> ChartsState:
    """Draw the charts, or bring those whose revision changed up to date.

    Args:
        x_range: applied at first, and whenever it changes to one that the reader did not zoom to.
        height: pixels of one plot, before it is enlarged.
        is_date_axis: x values are milliseconds since 1970, shown in the reader's time zone.
        footnotes: sentences to stand below a chart, by its id, in the reader's language.
        on_change: called before the next run when range or width changed; `charts_state` tells them.
    """
    known = _known(st.session_state.get(key))
    result = _mount(
        key=key,
        data={
            "plotly": PLOTLY_URL,
            "labels": {name: labels[name] for name in LABELS},
            "range": x_range,
            "height": height,
            "dates": is_date_axis,
            "x_title": x_title,
            "known": {"number": known.get("number", 0), "width": known.get("width")},
            "charts": [_message(chart, (footnotes or {}).get(chart.id, ())) for chart in charts],
        },
        on_view_change=on_change or _nothing,
        on_picked_change=_nothing,
    )
    return _parse_state(result)


def charts_state(key: str) -> ChartsState:
    """The same before the charts are drawn in this run, to choose what to draw."""
    return _parse_state(st.session_state.get(key))


def _nothing() -> None:
    """Streamlit knows the values of an element by their callbacks."""


def _message(chart: DrawnChart, footnotes: Sequence[str]) -> dict[str, Any]:
    return {
        "id": chart.id,
        "title": chart.title,
        "traces": chart.traces,
        "layout": chart.layout,
        "revision": chart.revision,
        "footnotes": list(footnotes),
    }


def _parse_state(value: Any) -> ChartsState:
    view = _known(value)
    picked = value.get("picked") if isinstance(value, Mapping) else None
    return ChartsState(view.get("x_range"), view.get("width"), _parse_picked(picked))


def _known(value: Any) -> dict[str, Any]:
    """The range, width and number of the last report, as far as they make sense."""
    view = value.get("view") if isinstance(value, Mapping) else None
    if not isinstance(view, Mapping):
        return {}
    known: dict[str, Any] = {}
    match view.get("x_range"):
        case [low, high] if _is_number(low) and _is_number(high) and low < high:
            known["x_range"] = (float(low), float(high))
    width, number = view.get("width"), view.get("number")
    if _is_number(width) and 1 <= width <= MAX_WIDTH:
        known["width"] = int(width)
    if _is_number(number) and number >= 0:
        known["number"] = int(number)
    return known


def _parse_picked(value: Any) -> Picked | None:
    match value:
        case {"x": x, "chart": str(chart), "run": str(run)} if _is_number(x):
            return Picked(float(x), chart, run)
    return None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_X
