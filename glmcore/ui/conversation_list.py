"""The sidebar's list of conversations: new, open, rename, delete."""

from collections.abc import Callable

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import Conversation
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER, go_to, open_conversation_id
from glmcore.ui.text import _, error_text

PAGE_SIZE = 20
ROWS_WITHOUT_SCROLLING, LIST_HEIGHT = 6, 270  # leaves the sliders below in sight; pixels
SHOWN_KEY = "shown_conversations"


def show_conversations(services: Services, open_id: str | None, *, is_answering: bool) -> None:
    """The list; the open conversation can be renamed and deleted, but not while an answer is written."""
    if st.button(_("New chat"), icon=":material/add_comment:", width="stretch", key="new_chat"):
        go_to(None)
        st.rerun()
    limit = st.session_state.setdefault(SHOWN_KEY, PAGE_SIZE)
    conversations = services.history.conversations.list(OWNER, limit=limit + 1)
    if not conversations:
        st.caption(_("Your conversations will be listed here."))
        return
    with st.container(
        height=LIST_HEIGHT if len(conversations) > ROWS_WITHOUT_SCROLLING else "content",
        border=False,
        gap="xxsmall",
    ):
        for conversation in conversations[:limit]:
            if conversation.id == open_id:
                _show_open_row(services, conversation, is_answering=is_answering)
            else:
                _show_row(conversation)
        if len(conversations) > limit and st.button(
            _("Show more"), type="tertiary", key="more_conversations"
        ):
            st.session_state[SHOWN_KEY] = limit + PAGE_SIZE
            st.rerun()


def _label(conversation: Conversation) -> str:
    return plain(conversation.title) or _("Untitled")


def _show_row(conversation: Conversation) -> None:
    key = f"open_{conversation.id}"
    if st.button(_label(conversation), type="tertiary", key=key, width="stretch", wrap=False):
        go_to(conversation.id)
        st.rerun()


def _show_open_row(services: Services, conversation: Conversation, *, is_answering: bool) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="xxsmall"):
        st.button(_label(conversation), key=f"open_{conversation.id}", width="stretch", wrap=False)
        actions = {"rename": _("Rename"), "delete": _("Delete")}
        chosen = st.menu_button(
            _("Rename or delete this conversation"),
            list(actions),
            format_func=lambda name: actions[name],
            icon=":material/more_horiz:",
            type="tertiary",
            key="conversation_menu",
            help=_("Rename or delete this conversation"),
            disabled=is_answering,
        )
    if is_answering:  # a dialog would not be served before the answer is drawn, and be closed then
        return
    if chosen == "rename":
        _rename(services, conversation)
    elif chosen == "delete":
        _delete(services, conversation)


def _rename(services: Services, conversation: Conversation) -> None:
    @st.dialog(_("Rename conversation"))
    def dialog() -> None:
        title = st.text_input(_("Title"), conversation.title, max_chars=120)
        if st.button(_("Save"), type="primary", disabled=not title.strip()):
            _close_after(lambda: services.history.conversations.rename(OWNER, conversation.id, title.strip()))

    dialog()


def _delete(services: Services, conversation: Conversation) -> None:
    @st.dialog(_("Delete conversation"))
    def dialog() -> None:
        st.text(conversation.title)
        st.write(_("This deletes the conversation with all versions of its messages. It cannot be undone."))
        with st.container(horizontal=True):
            if st.button(_("Delete"), type="primary"):
                _close_after(lambda: _delete_now(services, conversation))
            if st.button(_("Keep")):
                st.rerun()

    dialog()


def _delete_now(services: Services, conversation: Conversation) -> None:
    for entry in services.history.messages.path(OWNER, conversation.id, limit=1):
        running = services.answers.get(entry.message.id)
        if running is not None:
            running.cancel()
    services.history.conversations.delete(OWNER, conversation.id)
    if open_conversation_id() == conversation.id:
        go_to(None)


def _close_after(action: Callable[[], None]) -> None:
    """Do what a dialog is for and close it, or say in it why not: the page does not see its errors."""
    try:
        action()
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
    else:
        st.rerun()
