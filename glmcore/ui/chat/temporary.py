"""The temporary chat: switched on and off in the sidebar, marked on the page, kept after all."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import open_temporary
from glmcore.history.adopting import adopt
from glmcore.ui.chat.place import (
    TEMPORARY_KEY,
    TemporaryChat,
    enter,
    kept_temporary,
    leave_temporary,
    shown_temporary,
)
from glmcore.ui.history import dialogs
from glmcore.ui.services import Services
from glmcore.ui.session import NOTICE_KEY, OWNER
from glmcore.ui.text import _

SWITCH_KEY, LEAVING_KEY = "temporary_switch", "leaving_temporary"


def show_switch(*, is_answering: bool) -> None:
    """The switch in the sidebar, or the way back to a temporary chat.

    It cannot be used while an answer is written: what asks before leaving would be closed by the answer.
    """
    temporary = shown_temporary()
    if temporary is None and kept_temporary() is not None:
        if st.button(
            _("Back to the temporary chat"),
            icon=":material/visibility_off:",
            key="to_temporary",
            width="stretch",
        ):
            _show()
            st.rerun()
        return
    st.session_state[SWITCH_KEY] = temporary is not None
    st.toggle(
        _("Temporary chat"),
        key=SWITCH_KEY,
        disabled=is_answering,
        on_change=_switch,
        help=_("What is asked and answered in it is stored nowhere and is gone with this browser tab."),
    )
    if st.session_state.pop(LEAVING_KEY, False):
        leave()


def show_badge(shared: Services, *, is_answering: bool) -> None:
    """Say on the page that it is a temporary chat, and offer to store it, in the history of `shared`."""
    temporary = shown_temporary()
    if temporary is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(
            _("Temporary chat: nothing of it is stored"), icon=":material/visibility_off:", color="violet"
        )
        if temporary.conversation_id is not None and st.button(
            _("Keep it after all"), icon=":material/save:", key="keep_temporary", disabled=is_answering
        ):
            _keep(shared, temporary, temporary.conversation_id)


def leave() -> None:
    """Drop the temporary chat and be in a new one; asks first when something would be lost."""
    temporary = shown_temporary()
    if temporary is None or temporary.conversation_id is None:
        _drop()
        st.rerun()
    dialogs.confirm(
        _("The temporary chat is stored nowhere. When you leave it, nobody can bring it back."),
        _("Leave it"),
        _drop,
    )


def _switch() -> None:
    if st.session_state[SWITCH_KEY]:
        _show()
    else:
        st.session_state[LEAVING_KEY] = True


def _show() -> None:
    """Be in the temporary chat, a new one where there is none."""
    leave_temporary()
    enter(None)
    temporary = st.session_state.setdefault(TEMPORARY_KEY, TemporaryChat(open_temporary()))
    temporary.is_shown = True


def _drop() -> None:
    """Forget it. Its memory is given back when the last answer that is being written in it has ended."""
    st.session_state.pop(TEMPORARY_KEY, None)


def _keep(shared: Services, temporary: TemporaryChat, conversation_id: str) -> None:
    try:
        adopt(temporary.history, shared.history, OWNER, conversation_id)
    except GlmcoreError as error:
        st.session_state[NOTICE_KEY] = error
    else:
        _drop()
        enter(conversation_id)
    st.rerun()
