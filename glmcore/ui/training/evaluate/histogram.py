"""How many rows have which score, or how many it became better or worse for."""

import numpy as np
import streamlit as st

from glmcore.curves.views.colours import SAFE
from glmcore.jobs.prediction_table import BETTER_LOWER, PredictionTable, Side
from glmcore.ui.text import _
from glmcore.ui.training.evaluate.scores import score_texts

MOST_BINS, LEAST_BINS = 30, 8
HEIGHT = 220  # pixels


def show_histogram(table: PredictionTable, score: str, side: Side) -> None:
    import plotly.graph_objects as go

    values = table.scores(score, side)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return
    bins = min(MOST_BINS, max(LEAST_BINS, len(values) // 4))
    counts, edges = np.histogram(values, bins=bins)
    middles, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    figure = go.Figure(go.Bar(x=middles, y=counts, width=width, marker_color=SAFE[0]))
    if side is Side.DIFFERENCE:
        figure.add_vline(x=0, line_dash="dot", line_width=1, line_color="#888888")
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        bargap=0.03,
        xaxis_title=score_texts()[score].title,
        yaxis_title=_("Rows"),
    )
    st.plotly_chart(figure, key="evaluation_histogram", config={"displaylogo": False})
    if side is Side.DIFFERENCE:
        less, more = int((values < 0).sum()), int((values > 0).sum())
        better, worse = (less, more) if score in BETTER_LOWER else (more, less)
        text = _(
            "Tuned is better in {better} rows, worse in {worse}, the same in {same}.",
            better=better,
            worse=worse,
            same=len(values) - better - worse,
        )
        st.caption(text)
