"""Dialogs about conversations: a new title, and whether something is really meant."""

from collections.abc import Callable

import streamlit as st

from glmcore.history import Conversation
from glmcore.history.conversations import TITLE_CHARS
from glmcore.ui.dialogs import close_after
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _


def rename(shared: Services, seen: Conversation) -> None:
    """A fault is said in the dialog, which stays with what was typed."""

    @st.dialog(_("Rename conversation"))
    def dialog() -> None:
        title = st.text_input(_("Title"), seen.title, max_chars=TITLE_CHARS, key=f"history_title_{seen.id}")
        if st.button(_("Save"), type="primary", disabled=not title.strip(), key="history_rename_now"):
            close_after(
                lambda: shared.history.conversations.rename(OWNER, seen.id, title, seen_version=seen.version)
            )

    dialog()


def confirm(sentence: str, label: str, action: Callable[[], object], note: str = "") -> None:
    """Ask before something is done to many conversations, or for good."""

    @st.dialog(label)
    def dialog() -> None:
        st.markdown(sentence)
        if note:
            st.caption(note)
        with st.container(horizontal=True):
            if st.button(label, type="primary", key="history_confirm"):
                close_after(action)
            if st.button(_("Cancel"), key="history_cancel"):
                st.rerun()

    dialog()
