"""Notes on a run and marks on its steps, for everyone who opens the page."""

from collections.abc import Sequence

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.curves.remarks import MAX_MARK, MAX_NOTE
from glmcore.curves.run import Run
from glmcore.ui.curves.live import PICKED_KEY
from glmcore.ui.curves.services import CurveServices
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text


def show_remarks(shared: CurveServices, runs: Sequence[Run]) -> None:
    """The run whose point was clicked last comes first; its step is filled in."""
    if not runs:
        return
    picked_run, picked_x = st.session_state.get(PICKED_KEY, (None, None))
    ids = [run.id for run in runs]
    names = {run.id: run.name for run in runs}
    index = ids.index(picked_run) if picked_run in ids else 0
    run_id = st.selectbox(_("Run"), ids, index=index, format_func=lambda one: names.get(one, one))
    try:
        _show_note(shared, run_id)
        _show_marks(shared, run_id, _step_at(runs[ids.index(run_id)], picked_run, picked_x))
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")


def _show_note(shared: CurveServices, run_id: str) -> None:
    note = shared.remarks.of(run_id).note
    with st.form(f"note_{run_id}", border=False):
        text = st.text_area(
            _("Note"), note, max_chars=MAX_NOTE, placeholder=_("What this run was for, what came of it")
        )
        if st.form_submit_button(_("Save the note"), icon=":material/save:") and text != note:
            shared.remarks.set_note(run_id, text)
            st.toast(_("The note is kept."))


def _show_marks(shared: CurveServices, run_id: str, step: float | None) -> None:
    for mark in shared.remarks.of(run_id).marks:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{mark.step:g}** {plain(mark.text)}", width="stretch")
            if st.button(_("Remove"), key=f"unmark_{mark.id}", type="tertiary", icon=":material/delete:"):
                shared.remarks.remove_mark(run_id, mark.id)
                st.rerun()
    with st.form(f"mark_{run_id}_{step}", border=False, clear_on_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            at = st.number_input(
                _("Step"),
                value=step,
                width=160,
                help=_("A click on a point of a chart fills it in."),
            )
            text = st.text_input(_("Mark"), max_chars=MAX_MARK, placeholder=_("What happened here"))
            is_sent = st.form_submit_button(_("Add the mark"), icon=":material/flag:")
        if is_sent:
            if at is None or not text.strip():
                st.warning(_("A mark needs a step and a text."))
            else:
                shared.remarks.add_mark(run_id, at, text.strip())
                st.rerun()


def _step_at(run: Run, picked_run: str | None, x: float | None) -> float | None:
    """The step of the point that was clicked, if it is one of this run."""
    return x if picked_run == run.id else None
