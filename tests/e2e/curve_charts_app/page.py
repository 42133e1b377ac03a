"""Four charts of five runs that grow twice a second, some of them named by somebody who means harm."""

import base64
import json
import time
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from glmcore.ui.curve_charts import LABELS, charts_state, show_charts

KEY = "charts"
HOSTILE = ["<img src=x onerror=alert(1)>", '<a href="javascript:alert(2)">run</a>', "a & b &lt;b&gt; <b>c</b>"]
RUNS = [*HOSTILE, "run-4", "run-5-with-a-name-that-is-far-too-long-to-be-shown-in-any-readout-at-all"]
COLOURS = ["#3556c4", "#d9692c", "#0c8f68", "#8b55d6", "#a97a06"]
TITLES = ["loss", "<img src=x onerror=alert(3)>", "grad_norm", "learning_rate"]


@dataclass(frozen=True)
class Chart:
    id: str
    title: str
    traces: list = field(default_factory=list)
    layout: dict = field(default_factory=dict)
    footnotes: list = field(default_factory=list)
    revision: str = ""


def array(values):
    return {"dtype": values.dtype.str[1:], "bdata": base64.b64encode(values.tobytes()).decode()}


def traces(chart, run, steps, zoom):
    noise = np.random.default_rng(chart * 10 + run).normal(size=100_000)[: len(steps)]
    values = (3 + run) * np.exp(-steps / 4000) + 0.5 + 0.2 * run
    raw = values + 0.15 * noise
    values = values * [1, 10, 1e4, 1e-5][chart]
    raw = raw * [1, 10, 1e4, 1e-5][chart]
    if zoom:
        shown = (steps >= zoom[0]) & (steps <= zoom[1])
        steps, values, raw = steps[shown], values[shown], raw[shown]
    every = max(1, len(steps) // points)
    line = {"color": COLOURS[run], "width": 1.75, "dash": "dot" if chart == 0 and run == 1 else "solid"}
    both = [("raw", raw, 0.25), ("smooth", values, 1.0)] if st.query_params.get("raw") else [("raw", raw, 1.0)]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": RUNS[run],
            "x": array((dates * 1000 + steps[::every] * 60_000) if dates else steps[::every]),
            "y": array(y[::every]),
            "line": line,
            "opacity": opacity,
            "meta": {"run": f"run {run}", "kind": kind},
        }
        for kind, y, opacity in both
    ]


params = st.query_params
points = int(params.get("points", 400))
dates = 1_760_000_000 if params.get("dates") else 0
started = st.session_state.setdefault("started", time.monotonic())
if params.get("sidebar"):
    st.sidebar.write("x")


@st.fragment(run_every=None if params.get("still") else 0.5)
def live() -> None:
    seen = charts_state(KEY)
    first = json.loads(params["range"]) if "range" in params else None
    wanted = seen.x_range if seen.width else first
    if "home" in st.session_state:
        wanted = None
    ticks = 0 if params.get("still") else int((time.monotonic() - started) * 2)
    steps = np.arange(0.0, 8000 + 100 * ticks)
    titles = TITLES + [f"metric/{i}" for i in range(int(params.get("more", 0)))]
    charts = [
        Chart(
            id=f"chart {i}",
            title=title,
            traces=[t for run in range(len(RUNS)) for t in traces(i % 4, run, steps[run * 50 :], None if dates else wanted)],
            layout={
                "xaxis": {"title": {"text": "step"}},
                "yaxis": {"type": "log" if i == 0 else "linear"},
            },
            footnotes=["Showing 2,000 of 8,000 points."] if i == 0 else [],
            revision=f"{i} {ticks} {wanted}" if i != 3 else f"{i} {wanted}",
        )
        for i, title in enumerate(titles)
    ]
    labels = {name: name for name in LABELS} | {"more": "{count} more"}
    state = show_charts(
        charts, key=KEY, labels=labels, x_range=wanted, height=260, is_date_axis=bool(dates)
    )
    st.session_state["picks"] = st.session_state.get("picks", 0) + (state.picked is not None)
    told = [state.x_range, state.width, st.session_state["picks"], ticks]
    if state.picked:
        st.session_state["last"] = [state.picked.x, state.picked.chart, state.picked.run]
    st.text("state " + json.dumps(told))
    st.text("picked " + json.dumps(st.session_state.get("last")))


live()
