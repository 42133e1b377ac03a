"""Charts of five runs that grow twice a second; runs and metrics are named by somebody who means harm.

The address chooses: `points` of a curve, `smooth` curves, `charts`, `dates` as x axis, a `range`, `still`.
"""

import base64
import json
import time
from dataclasses import dataclass

import numpy as np
import streamlit as st

from glmcore.ui.curve_charts import LABELS, charts_state, show_charts

KEY = "charts"
HARMFUL = [
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(2)">run</a>',
    "a & b &lt;b&gt; <b>c</b>",
]
RUNS = [*HARMFUL, "run-4", "run-5-with-a-name-far-too-long-for-any-readout-" + "x" * 80]
COLOURS = ["#3556c4", "#d9692c", "#0c8f68", "#8b55d6", "#a97a06"]
TITLES = ["loss", "<img src=x onerror=alert(3)>", "grad_norm", "learning_rate"]
SCALES = [1, 10, 1e4, 1e-5]
FIRST_DATE = 1_760_000_000_000  # milliseconds
QUERY = st.query_params


@dataclass(frozen=True)
class Chart:
    id: str
    title: str
    traces: list
    layout: dict
    revision: str


def packed(values, dtype):
    return {"dtype": dtype, "bdata": base64.b64encode(values.astype(dtype).tobytes()).decode()}


def traces_of(scale, run, steps, shown):
    """The curve of a run, and where smoothing is asked for the faint raw one behind it."""
    smooth = ((3 + run) * np.exp(-steps / 4000) + 0.5 + 0.2 * run) * scale
    raw = smooth + 0.15 * scale * np.random.default_rng(run).normal(size=100_000)[: len(steps)]
    x = FIRST_DATE + steps * 60_000 if "dates" in QUERY else steps
    low, high = shown or (-np.inf, np.inf)
    places = np.flatnonzero((x >= low) & (x <= high))
    places = places[:: max(1, len(places) // int(QUERY.get("points", 400)))]
    kinds = {"raw": (raw, 0.25), "smooth": (smooth, 1.0)} if "smooth" in QUERY else {"line": (raw, 1.0)}
    dash = "dash" if run == 1 else "solid"
    for kind, (y, opacity) in kinds.items():
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": RUNS[run],
            "x": packed(x[places], "f8"),
            "y": packed(y[places], "f4"),
            "line": {"color": COLOURS[run], "width": 1 if kind == "raw" else 1.8, "dash": dash},
            "opacity": opacity,
            "meta": {"run": f"id {run}", "kind": kind, "part": "train"},
        }


@st.fragment(run_every=None if "still" in QUERY else 0.5)
def live() -> None:
    seen = charts_state(KEY)
    shown = seen.x_range if seen.width else json.loads(QUERY.get("range", "null"))
    begun = st.session_state.setdefault("begun", time.monotonic())
    ticks = 0 if "still" in QUERY else int((time.monotonic() - begun) * 2)
    steps = np.arange(0.0, 8000 + 100 * ticks)
    charts = []
    for place in range(int(QUERY.get("charts", 4))):
        title = TITLES[place] if place < 4 else f"metric/{place}"
        scale, scale_type = SCALES[place % 4], "log" if place == 0 else "linear"
        traces = [t for run in range(5) for t in traces_of(scale, run, steps[run * 50 :], shown)]
        layout = {"xaxis": {}, "yaxis": {"type": scale_type}}
        charts.append(Chart(f"chart {place}", title, traces, layout, f"{ticks} {shown}"))
    state = show_charts(
        charts,
        key=KEY,
        labels={name: f"the {name}" for name in LABELS} | {"more": "{count} more"},
        x_range=shown,
        height=260,
        is_date_axis="dates" in QUERY,
        x_title="Step",
        footnotes={"chart 0": ["Showing 2,000 of 8,000 points."]},
    )
    if state.picked:
        st.session_state["picked"] = [state.picked.x, state.picked.chart, state.picked.run]
    st.text(json.dumps([state.x_range, state.width, ticks, st.session_state.get("picked")]))


st.set_page_config(layout="wide")
live()
