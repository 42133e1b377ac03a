"""The curves page from top to bottom."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from glmcore.core.notes import Note
from glmcore.curves.run import Run
from glmcore.ui.curves.alerts_panel import show_fired, show_rules
from glmcore.ui.curves.compare_panel import show_comparison
from glmcore.ui.curves.controls import Chosen, choose, choose_folder
from glmcore.ui.curves.export_panel import show_export
from glmcore.ui.curves.findings_panel import show_findings
from glmcore.ui.curves.live import (
    charts_of,
    colours_of,
    directions_of,
    metrics_of,
    show_clock,
    show_group_legend,
    show_live_charts,
    show_notes,
    view_of,
)
from glmcore.ui.curves.remarks_panel import show_remarks
from glmcore.ui.curves.runs_table import show_table
from glmcore.ui.curves.services import CurveServices
from glmcore.ui.curves.state import kept_state, open_state, put
from glmcore.ui.services import services
from glmcore.ui.text import _

READ_SECONDS = 1.5  # of reading before something is drawn; the rest is read behind it
LIVE_SECONDS = 2.0
LIVE_KEY = "curves_live"


def show() -> None:
    st.set_page_config(layout="wide")
    shared = services().curves
    state = open_state()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(_("Curves"), width="stretch")
        is_followed = st.toggle(
            _("Follow"),
            value=True,
            key=LIVE_KEY,
            persist_state="session",
            help=_("Draw again while runs go on."),
        )
    show_fired(shared.alerts, links=False)
    folder = choose_folder(shared.folders, state)
    runs, notes = _look(shared, folder)
    if not runs:
        _show_nothing(notes, folder)
        return
    chosen = choose(runs, folder)
    is_live = any(run.status.is_live or _is_unread(run) for run in runs)
    # Without live runs it looks for new ones; not followed, it is drawn when something is changed only.
    every = (LIVE_SECONDS if is_live else 5 * LIVE_SECONDS) if is_followed else None
    st.fragment(_show_curves, run_every=every)(shared, folder, chosen)
    _show_more(shared, runs, chosen)


def _look(shared: CurveServices, folder: int) -> tuple[list[Run], tuple[Note, ...]]:
    library, path = shared.library(folder)
    if folder == 0 and not path.is_dir():  # no job has run yet
        return [], ()
    return library.look([path], READ_SECONDS)


def _show_curves(shared: CurveServices, folder: int, chosen: Chosen) -> None:
    """Charts, table and words for the runs that were chosen, as they are now."""
    runs, notes = _look(shared, folder)
    now = {run.id: run for run in runs}
    state = kept_state()
    shown = [now[run.id] for run in chosen.shown if run.id in now]
    found = [now[run.id] for run in chosen.found if run.id in now]
    show_clock(found)
    show_notes(notes)
    if {
        run.id for run in runs
    } != chosen.ids:  # one has come or gone: the choices above are old
        st.rerun()
    if not shown:
        st.info(_("No run fits the filter."), icon=":material/filter_alt_off:")
        return
    directions = directions_of(state, found)
    all_colours = colours_of(runs)
    colours = {run.id: all_colours[run.id] for run in shown}
    selected = show_table(shared, found, metrics_of(shown, state), directions, colours)
    if selected:
        st.button(
            _("Draw only the selected runs"),
            icon=":material/visibility:",
            on_click=lambda: put(replace(kept_state(), run=selected)),
            key="curves_only_selected",
        )
    if state.group:
        show_group_legend(shown, state.group)
    show_live_charts(charts_of(shared, runs, shown, state), state)
    show_findings(shared, shown)


def _show_more(shared: CurveServices, runs: Sequence[Run], chosen: Chosen) -> None:
    names = [_("Compare"), _("Notes and marks"), _("Export"), _("Alert rules")]
    tabs = st.tabs(names, key="curves_tabs", on_change="rerun")
    with tabs[0]:
        if tabs[0].open:
            show_comparison(chosen.found, directions_of(chosen.state, chosen.found), colours_of(runs))
    with tabs[1]:
        if tabs[1].open:
            show_remarks(shared, chosen.shown)
    with tabs[2]:
        if tabs[2].open:
            show_export(chosen.shown, view_of(chosen.state, shared, chosen.shown))
    with tabs[3]:
        if tabs[3].open:
            show_rules(shared.alerts)


def _show_nothing(notes: Sequence[Note], folder: int) -> None:
    show_notes(notes)
    if folder == 0:
        st.info(
            _("No run has written anything yet. Start one in a terminal, and its curves appear here:"),
            icon=":material/monitoring:",
        )
        st.code("python -m glmcore train configs/demo.yaml", language="bash")
        st.caption(
            _("Logs of other programs are offered when `log_roots` in the settings names their folder.")
        )
    else:
        st.info(_("No training log was found in this folder."), icon=":material/search_off:")


def _is_unread(run: Run) -> bool:
    return not run.curves
