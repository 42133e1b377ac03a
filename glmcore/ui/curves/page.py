"""The curves page from top to bottom."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from glmcore.core.notes import Note
from glmcore.curves.run import Run
from glmcore.curves.views.view import View
from glmcore.server.curves import CurveServices
from glmcore.ui.curves.alerts_panel import show_fired, show_rules
from glmcore.ui.curves.compare_panel import show_comparison
from glmcore.ui.curves.controls import Chosen, choose, choose_folder
from glmcore.ui.curves.export_panel import drawn, show_export
from glmcore.ui.curves.findings_panel import show_findings
from glmcore.ui.curves.live import (
    directions_of,
    group_colours,
    metrics_of,
    show_clock,
    show_group_legend,
    show_live_charts,
    show_notes,
    view_of,
)
from glmcore.ui.curves.remarks_panel import show_remarks, take_pick
from glmcore.ui.curves.runs_table import show_table
from glmcore.ui.curves.state import kept_state, open_state, put
from glmcore.ui.services import services
from glmcore.ui.style import WIDE_STYLE
from glmcore.ui.text import _

READ_SECONDS = 1.5  # of reading before something is drawn; the rest is read behind it
LIVE_SECONDS = 2.0
LIVE_KEY, TABS_KEY = "curves_live", "curves_tabs"
MAX_ALERTS = 3  # above the curves; the first page has more


def show() -> None:
    st.html(WIDE_STYLE)
    shared = services().curves
    open_state()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(_("Curves"), width="stretch")
        is_followed = st.toggle(
            _("Follow"),
            value=True,
            key=LIVE_KEY,
            persist_state="session",
            help=_("Draw again while runs go on."),
        )
    show_fired(shared.alerts, most=MAX_ALERTS, links=False)
    folder = choose_folder(shared.folders)
    runs, notes = _look(shared, folder)
    if not runs:
        _show_nothing(notes, folder)
        return
    chosen = choose(runs, folder)
    # Without live runs it looks for new ones; not followed, it is drawn when something is changed only.
    is_live = _is_live(runs)
    every = (LIVE_SECONDS if is_live else 5 * LIVE_SECONDS) if is_followed else None
    st.fragment(_show_curves, run_every=every)(shared, folder, chosen, is_live)
    _show_more(shared, chosen, shared.colours(folder))


def _look(shared: CurveServices, folder: int) -> tuple[list[Run], tuple[Note, ...]]:
    library, path = shared.library(folder)
    if folder == 0 and not path.is_dir():  # no job has run yet
        return [], ()
    runs, notes = library.look([path], READ_SECONDS)
    return shared.newest_first(folder, runs), notes


def _show_curves(shared: CurveServices, folder: int, chosen: Chosen, was_live: bool) -> None:
    """Table, charts and words for the runs that were chosen, as they are now."""
    runs, notes = _look(shared, folder)
    now = {run.id: run for run in runs}
    state = kept_state()
    shown = [now[run.id] for run in chosen.shown if run.id in now]
    found = [now[run.id] for run in chosen.found if run.id in now]
    show_clock(found)
    show_notes(notes)
    if set(now) != chosen.ids or _is_live(runs) != was_live:
        st.rerun()  # one has come, gone, begun or ended: the choices above are old
    if not shown:
        st.info(_("No run fits the filter."), icon=":material/filter_alt_off:")
        return
    colours, view = shared.colours(folder), view_of(state, shared, shown)
    _show_runs(shared, found, view, shown, colours)
    pick = show_live_charts(shown, view, colours, state)
    drawn().runs, drawn().view = shown, view
    if pick is not None:
        take_pick(pick)
        st.session_state[TABS_KEY] = _("Notes and marks")
        st.toast(_("Step {step}: write its mark below, under “Notes and marks”.", step=f"{pick.step:g}"))
        st.rerun()
    show_findings(shared, shown)


def _show_runs(
    shared: CurveServices,
    found: Sequence[Run],
    view: View,
    shown: Sequence[Run],
    colours: Mapping[str, str],
) -> None:
    """The table, which is the legend of the charts too."""
    legend: dict[str, str] = {}
    if view.group_by:
        legend, colours = group_colours(shown, view.group_by)
    metrics = metrics_of(shown, view)
    selected = show_table(
        shared,
        found,
        metrics,
        {name: view.direction(name) for name in metrics},
        {run.id: colours[run.id] for run in shown},
    )
    if selected and st.button(
        _("Draw only the selected runs"),
        icon=":material/visibility:",
        on_click=lambda: put(replace(kept_state(), run=selected)),
        key="curves_only_selected",
    ):
        st.rerun()  # the choices above are drawn outside of the fragment
    if view.group_by:
        show_group_legend(view.group_by, legend)


def _show_more(shared: CurveServices, chosen: Chosen, colours: Mapping[str, str]) -> None:
    names = [_("Compare"), _("Notes and marks"), _("Export"), _("Alert rules")]
    comparison, remarks, export, rules = st.tabs(names, key=TABS_KEY, on_change="rerun")
    with comparison:
        if comparison.open:
            show_comparison(chosen.found, directions_of(chosen.state, chosen.found), colours)
    with remarks:
        if remarks.open:
            show_remarks(shared, chosen.shown)
    with export:
        if export.open:
            show_export()
    with rules:
        if rules.open:
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


def _is_live(runs: Sequence[Run]) -> bool:
    """Whether one may soon have more to show."""
    return any(run.status.is_live or not run.curves for run in runs)
