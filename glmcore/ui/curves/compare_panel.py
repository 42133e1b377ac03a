"""Runs against each other: the settings in which they differ, and settings against a metric."""

from collections.abc import Mapping, Sequence

import streamlit as st

from glmcore.curves.configs import differing_keys
from glmcore.curves.metric_names import Direction
from glmcore.curves.run import Run
from glmcore.curves.views.compare import parallel_coordinates, scatter
from glmcore.ui.text import _

PARALLEL_KEYS = 6


def show_comparison(
    runs: Sequence[Run], directions: Mapping[str, Direction], colours: Mapping[str, str]
) -> None:
    """Two figures over the runs that the filter lets through."""
    keys = differing_keys([run.config for run in runs])
    metrics = sorted(name for name in directions if directions[name] is not Direction.NEITHER)
    if len(runs) < 2 or not keys or not metrics:
        st.info(
            _("Two runs or more whose settings differ can be compared here."),
            icon=":material/compare_arrows:",
        )
        return
    with st.container(horizontal=True):
        default = metrics.index("eval_loss") if "eval_loss" in metrics else 0
        metric = st.selectbox(_("Metric"), metrics, index=default, width=240)
        key = st.selectbox(_("Setting"), keys, width=240)
    figure = scatter(runs, key, metric, directions[metric], colours)
    st.plotly_chart(figure, key="curves_scatter", config={"displaylogo": False})
    chosen = st.multiselect(_("Settings"), keys, default=keys[:PARALLEL_KEYS], max_selections=12)
    if chosen:
        figure = parallel_coordinates(runs, chosen, metric, directions[metric])
        st.plotly_chart(figure, key="curves_parallel", config={"displaylogo": False})
