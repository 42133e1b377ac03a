"""What is chosen about the curves: folder, runs, metrics, axis, smoothing, scale, groups."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.core.errors import ConfigError
from glmcore.curves.configs import differing_keys
from glmcore.curves.run import Run
from glmcore.curves.run_filter import explain_query, matches
from glmcore.curves.views.axes import Axis, axis_title
from glmcore.curves.views.grouping import Band
from glmcore.curves.views.metric_choice import base_metrics
from glmcore.curves.views.smoothing import SmoothingMethod
from glmcore.ui.curves.address import MAX_SMOOTHING, PageState
from glmcore.ui.curves.state import keep, kept_state, reset, widget_key
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text, plural

LATEST_RUNS = 10  # shown when none was chosen
MAX_SHOWN_RUNS, MAX_CHARTS, MAX_DIRECTIONS = 40, 60, 20


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the widgets gave: the view, the runs that the filter lets through, those drawn, all ids."""

    state: PageState
    found: tuple[Run, ...]
    shown: tuple[Run, ...]
    ids: frozenset[str]


def choose_folder(folders: Sequence[Path]) -> int:
    """The folder of logs; a choice only where the settings name more than the jobs."""
    if len(folders) == 1:
        return 0
    key = widget_key("folder")
    if st.session_state[key] >= len(folders):  # the address is from other settings
        st.session_state[key] = 0
    return int(
        st.selectbox(
            _("Folder of logs"),
            range(len(folders)),
            key=key,
            format_func=lambda number: _("Jobs") if number == 0 else str(folders[number]),
        )
    )


def choose(runs: Sequence[Run], folder: int) -> Chosen:
    """Draw the widgets above the charts; what is chosen is kept and said in the address."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        query = st.text_input(
            _("Find runs"),
            key=widget_key("find"),
            placeholder=_("words, -without, lora_rank=8, learning_rate<1e-3"),
            icon=":material/search:",
            type="search",
            width="stretch",
        )
    found = _filtered(runs, query)
    with row:
        chosen = _choose_runs(runs, found)
        metrics = _choose_metrics(found)
    view = _choose_view(found)
    before = kept_state()  # a range of steps says nothing about epochs
    zoom = before.zoom if (before.axis, before.folder) == (view["axis"], folder) else None
    state = keep(PageState(zoom=zoom, folder=folder, find=query, run=chosen, metric=metrics, **view))
    shown = [run for run in found if run.id in chosen] if chosen else found[:LATEST_RUNS]
    return Chosen(state, found, tuple(shown[:MAX_SHOWN_RUNS]), frozenset(run.id for run in runs))


def _filtered(runs: Sequence[Run], query: str) -> tuple[Run, ...]:
    """The runs that fit; says how the query was understood."""
    try:
        found = tuple(run for run in runs if matches(query, run.name, run.config))
        asked = [_(note.template, **note.values) for note in explain_query(query)]
    except ConfigError as error:
        st.warning(error_text(error), icon=":material/filter_alt:")
        return tuple(runs)
    if asked:
        st.caption(plain(f"{len(found)}/{len(runs)} · {' · '.join(asked)}"))
    return found


def _choose_runs(runs: Sequence[Run], found: Sequence[Run]) -> tuple[str, ...]:
    names = {run.id: run.name for run in runs}
    known = _only("run", names, MAX_SHOWN_RUNS)
    return tuple(
        st.multiselect(
            _("Runs"),
            list(dict.fromkeys([*known, *(run.id for run in found)])),
            key=widget_key("run"),
            format_func=lambda one: names.get(one, one),
            placeholder=plural("the latest run", "the {count} latest runs", LATEST_RUNS),
            max_selections=MAX_SHOWN_RUNS,
            width=320,
        )
    )


def _choose_metrics(runs: Sequence[Run]) -> tuple[str, ...]:
    """Names of charts: a metric and its evaluation share one."""
    names = sorted(base_metrics(runs), key=str.lower)
    _only("metric", names, MAX_CHARTS)
    return tuple(
        st.multiselect(
            _("Charts"),
            names,
            key=widget_key("metric"),
            placeholder=_("loss and what goes with it"),
            width=280,
            max_selections=MAX_CHARTS,
        )
    )


def _choose_view(runs: Sequence[Run]) -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis = st.segmented_control(
            _("Axis"),
            list(Axis),
            key=widget_key("axis"),
            format_func=lambda one: _(axis_title(one)),
            required=True,
        )
        smooth = st.slider(
            _("Smoothing"),
            0.0,
            MAX_SMOOTHING,
            step=0.01,
            key=widget_key("smooth"),
            help=_("0 draws every point as it is; the raw curve stays faintly behind the smoothed one."),
            width=220,
        )
        with st.popover(_("View"), icon=":material/tune:"):
            more = _choose_more(runs)
        st.button(_("Reset"), icon=":material/restart_alt:", type="tertiary", on_click=reset)
    return {"axis": axis, "smooth": smooth, **more}


def _choose_more(runs: Sequence[Run]) -> dict[str, Any]:
    methods = {
        SmoothingMethod.EXPONENTIAL: _("exponential, as TensorBoard's"),
        SmoothingMethod.TIME_WEIGHTED: _("time-weighted: by distance on the axis"),
    }
    bands = {Band.STD: _("standard deviation"), Band.MINMAX: _("least to greatest")}
    metrics = sorted({name for run in runs for name in run.curves}, key=str.lower)
    chosen: dict[str, Any] = {
        "method": st.radio(
            _("Average"), list(methods), key=widget_key("method"), format_func=lambda one: methods[one]
        ),
        "log": st.toggle(_("Logarithmic scale"), key=widget_key("log")),
        "clip": st.toggle(
            _("Cut off outliers"),
            key=widget_key("clip"),
            help=_("The scale goes by the middle 90 % of the points."),
        ),
        "raw": st.toggle(_("Raw curve behind"), key=widget_key("raw")),
        "best": st.toggle(_("Mark the best point"), key=widget_key("best")),
        "old": st.toggle(
            _("What a resume replaced"),
            key=widget_key("old"),
            help=_("Points that a resumed run computed again, dotted."),
        ),
    }
    keys = differing_keys([run.config for run in runs])
    if st.session_state[widget_key("group")] not in ("", *keys):
        st.session_state[widget_key("group")] = ""
    chosen["group"] = st.selectbox(
        _("Group by"),
        ["", *keys],
        key=widget_key("group"),
        format_func=lambda key: key or _("no groups"),
        help=_("Runs with the same value become one curve: their mean and a band."),
    )
    chosen["band"] = st.radio(
        _("Band"), list(bands), key=widget_key("band"), format_func=lambda one: bands[one], horizontal=True
    )
    for name, label in (("lower", _("Lower is better")), ("higher", _("Higher is better"))):
        _only(name, metrics, MAX_DIRECTIONS)
        chosen[name] = tuple(
            st.multiselect(
                label,
                metrics,
                key=widget_key(name),
                placeholder=_("as the name says"),
                max_selections=MAX_DIRECTIONS,
            )
        )
    return chosen


def _only(name: str, known: Collection[str], most: int) -> list[str]:
    """What a widget may have of its value: an address may name what is gone, or too much."""
    key = widget_key(name)
    st.session_state[key] = [one for one in st.session_state[key] if one in known][:most]
    kept: list[str] = st.session_state[key]
    return kept
