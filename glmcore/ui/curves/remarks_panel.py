"""Notes on a run and marks on its steps, for everyone who opens the page."""

from collections.abc import Sequence

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.curves.remarks import MAX_MARK, MAX_NOTE
from glmcore.curves.run import Run
from glmcore.server.curves import CurveServices
from glmcore.ui.curves.live import Pick
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text

RUN_KEY, PICK_KEY = "curves_remarks_run", "curves_pick"


def take_pick(pick: Pick) -> None:
    """Fill in the point that was clicked."""
    st.session_state[PICK_KEY] = pick
    st.session_state[RUN_KEY] = pick.run_id


def show_remarks(shared: CurveServices, runs: Sequence[Run]) -> None:
    if not runs:
        return
    names = {run.id: run.name for run in runs}
    if st.session_state.get(RUN_KEY) not in names:
        st.session_state[RUN_KEY] = runs[0].id
    run_id = st.selectbox(_("Run"), list(names), key=RUN_KEY, format_func=lambda one: names.get(one, one))
    pick: Pick | None = st.session_state.get(PICK_KEY)
    try:
        _show_note(shared, run_id)
        _show_marks(shared, run_id, pick.step if pick and pick.run_id == run_id else None)
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
                format="%g",
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
