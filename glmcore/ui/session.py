"""What belongs to one browser session, and the addresses of pages and conversations."""

from pathlib import Path

import streamlit as st

from glmcore.core.messages import LOCAL_USER

PAGES = Path(__file__).resolve().parents[2] / "pages"
CHAT_PAGE = PAGES / "chat.py"
CURVES_PAGE = PAGES / "curves.py"
TRAINING_PAGE = PAGES / "training.py"
COMPARE_PAGE = PAGES / "compare.py"
HISTORY_PAGE = PAGES / "history.py"
KEYS_PAGE = PAGES / "keys.py"
OWNER = LOCAL_USER  # until sign-in exists everyone shares one history
NOTICE_KEY = "notice"  # an error of one run that the next one says
CONVERSATION_PARAM, MESSAGE_PARAM = "c", "m"  # /chat?c=<conversation id>&m=<message id>
VIEW_PARAM, JOB_PARAM = "view", "job"  # /training?view=jobs&job=<job id>


def open_conversation_id() -> str | None:
    """The conversation that the address names."""
    return st.query_params.get(CONVERSATION_PARAM)


def go_to(conversation_id: str | None) -> None:
    """Put a conversation, or a new one, into the address of this page."""
    if conversation_id is None:
        st.query_params.pop(CONVERSATION_PARAM, None)
    else:
        st.query_params[CONVERSATION_PARAM] = conversation_id
