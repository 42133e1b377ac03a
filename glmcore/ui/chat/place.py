"""Where the chat page is: at a stored conversation, which the address names, or in a temporary chat.

A temporary chat has a history of its own, in the memory of this browser session alone. The ids in it never
come into the address, so that they are never looked up among what is stored.
"""

from dataclasses import dataclass

import streamlit as st

from glmcore.history import HistoryStore
from glmcore.ui.session import CONVERSATION_PARAM, MESSAGE_PARAM, go_to, open_conversation_id

TEMPORARY_KEY = "temporary_chat"


@dataclass(slots=True)
class TemporaryChat:
    """A chat that ends with this session; `is_shown` while nothing else was opened meanwhile."""

    history: HistoryStore
    conversation_id: str | None = None
    is_shown: bool = True


def kept_temporary() -> TemporaryChat | None:
    """The temporary chat of this session, shown or not."""
    return st.session_state.get(TEMPORARY_KEY)


def shown_temporary() -> TemporaryChat | None:
    """The temporary chat, where the page is in it."""
    temporary = kept_temporary()
    if temporary is not None and CONVERSATION_PARAM in st.query_params:
        temporary.is_shown = False
    return temporary if temporary is not None and temporary.is_shown else None


def open_id() -> str | None:
    """The conversation that is open."""
    temporary = shown_temporary()
    return open_conversation_id() if temporary is None else temporary.conversation_id


def found_id() -> str | None:
    """The message at which the address opens the conversation."""
    return st.query_params.get(MESSAGE_PARAM) if shown_temporary() is None else None


def enter(conversation_id: str | None, message_id: str | None = None) -> None:
    """Open a conversation, or a new one, where the page is; perhaps at a message."""
    temporary = shown_temporary()
    if temporary is not None:
        temporary.conversation_id = conversation_id
        return
    go_to(conversation_id)
    if message_id is None:
        st.query_params.pop(MESSAGE_PARAM, None)
    else:
        st.query_params[MESSAGE_PARAM] = message_id


def leave_temporary() -> None:
    """Be where the address says, in a new chat perhaps; a temporary chat that is kept stays in memory."""
    temporary = kept_temporary()
    if temporary is not None:
        temporary.is_shown = False
