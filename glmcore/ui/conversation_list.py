"""The sidebar's list of conversations: new, open, rename, pin, archive, delete."""

from functools import partial

import streamlit as st

from glmcore.history import Conversation
from glmcore.ui.chat import temporary
from glmcore.ui.chat.place import enter, leave_temporary, shown_temporary
from glmcore.ui.history import actions, dialogs
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import HISTORY_PAGE, OWNER
from glmcore.ui.text import _

PAGE_SIZE = 20
ROWS_WITHOUT_SCROLLING, LIST_HEIGHT = 6, 270  # leaves the sliders below in sight; pixels
SHOWN_KEY = "shown_conversations"


def show_conversations(shared: Services, opened: Conversation | None, *, is_answering: bool) -> None:
    """The list; the open conversation can be changed and deleted, but not while an answer is written."""
    _show_new_chat()
    temporary.show_switch(is_answering=is_answering)
    limit = st.session_state.setdefault(SHOWN_KEY, PAGE_SIZE)
    conversations = shared.history.conversations.list(OWNER, limit=limit + 1)
    if conversations:
        with st.container(
            height=LIST_HEIGHT if len(conversations) > ROWS_WITHOUT_SCROLLING else "content",
            border=False,
            gap="xxsmall",
        ):
            for conversation in conversations[:limit]:
                if opened is not None and conversation.id == opened.id:
                    _show_open_row(shared, conversation, is_answering=is_answering)
                else:
                    _show_row(conversation)
            if len(conversations) > limit and st.button(
                _("Show more"), type="tertiary", key="more_conversations"
            ):
                st.session_state[SHOWN_KEY] = limit + PAGE_SIZE
                st.rerun()
    else:
        st.caption(_("Your conversations will be listed here."))
    actions.show_notice()
    actions.show_undo(shared)
    st.page_link(HISTORY_PAGE, label=_("Search and all conversations"), icon=":material/history:")


def _show_new_chat() -> None:
    if not st.button(_("New chat"), icon=":material/add_comment:", width="stretch", key="new_chat"):
        return
    if shown_temporary() is not None:
        temporary.leave()
    else:
        enter(None)
        st.rerun()


def _label(conversation: Conversation) -> str:
    return plain(conversation.title) or _("Untitled")


def _icon(conversation: Conversation) -> str | None:
    return ":material/keep:" if conversation.is_pinned else None


def _show_row(conversation: Conversation) -> None:
    if st.button(
        _label(conversation),
        icon=_icon(conversation),
        type="tertiary",
        key=f"open_{conversation.id}",
        width="stretch",
        wrap=False,
    ):
        leave_temporary()
        enter(conversation.id)
        st.rerun()


def _show_open_row(shared: Services, seen: Conversation, *, is_answering: bool) -> None:
    names = {
        "rename": _("Rename"),
        "pin": _("Unpin") if seen.is_pinned else _("Pin"),
        "archived": _("Archive"),
        "deleted": _("Delete"),
    }
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="xxsmall"):
        st.button(_label(seen), icon=_icon(seen), key=f"open_{seen.id}", width="stretch", wrap=False)
        chosen = st.menu_button(
            _("Change this conversation"),
            list(names),
            format_func=names.__getitem__,
            icon=":material/more_horiz:",
            type="tertiary",
            key="conversation_menu",
            help=_("Rename, pin, archive or delete this conversation"),
            disabled=is_answering,  # a dialog would not be served before the answer is drawn
        )
    match chosen:
        case "rename":
            dialogs.rename(shared, seen)
        case "pin":
            actions.tried(partial(shared.history.conversations.pin, OWNER, seen.id, not seen.is_pinned))
            st.rerun()
        case "archived" | "deleted":
            if actions.tried(partial(actions.put_on, shared, [seen.id], chosen)):
                enter(None)
            st.rerun()
