"""From one page to another: a page that only calls what leads away, and where that leads."""

from streamlit.testing.v1 import AppTest

SCRIPT = """
import streamlit as st
from glmcore.ui.adapter_picker import use_in_chat
from glmcore.ui.services import services
from glmcore.ui.session import CHAT_PAGE, COMPARE_PAGE, HISTORY_PAGE
from pathlib import Path

def caller():
    {call}

pages = [st.Page(caller, title="Caller", default=True), st.Page(CHAT_PAGE, url_path="chat"),
         st.Page(COMPARE_PAGE, url_path="compare"), st.Page(HISTORY_PAGE, url_path="history")]
st.navigation(pages).run()
"""


def leave_for(call: str, address: dict[str, str] | None = None, **state: object) -> AppTest:
    """The page that a call ends on, with the `address` of the one that was left."""
    at = AppTest.from_string(SCRIPT.format(call=call), default_timeout=20)
    for name, value in (address or {}).items():
        at.query_params[name] = value
    for name, value in state.items():
        at.session_state[name] = value
    return at.run()
