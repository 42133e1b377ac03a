"""The Streamlit main script, run for every page view: page list, language, faults in one sentence."""

import logging
import secrets

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.ui.session import (
    CHAT_PAGE,
    COMPARE_PAGE,
    CURVES_PAGE,
    HISTORY_PAGE,
    KEYS_PAGE,
    PAGES,
    TRAINING_PAGE,
)
from glmcore.ui.style import STYLE
from glmcore.ui.text import _, choose_language, error_text

log = logging.getLogger("glmcore.ui")
WIDE = ("history", "compare", "training", "curves")  # pages that need the whole window


def main() -> None:
    # An emoji, since the picture of a Material icon would be fetched from another host.
    st.set_page_config(page_title="GLM dashboard", page_icon="💬")
    st.html(STYLE)
    pages = [
        st.Page(PAGES / "overview.py", title=_("Overview"), icon=":material/home:", default=True),
        st.Page(CHAT_PAGE, title=_("Chat"), icon=":material/chat:", url_path="chat"),
        st.Page(HISTORY_PAGE, title=_("History"), icon=":material/history:", url_path="history"),
        st.Page(COMPARE_PAGE, title=_("Compare"), icon=":material/compare:", url_path="compare"),
        st.Page(TRAINING_PAGE, title=_("Training"), icon=":material/model_training:", url_path="training"),
        st.Page(CURVES_PAGE, title=_("Curves"), icon=":material/monitoring:", url_path="curves"),
        st.Page(KEYS_PAGE, title=_("API"), icon=":material/key:", url_path="keys"),
    ]
    page = st.navigation(pages)
    # Said once: a page that changes it later is drawn in both layouts, one after the other, at every run.
    st.set_page_config(layout="wide" if page.url_path in WIDE else "centered")
    try:
        page.run()
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
    except Exception:
        number = secrets.token_hex(4)
        log.exception("error %s on page %s", number, page.title)
        message = _(
            "Something went wrong on this page. The server's log has the details under number {number}.",
            number=number,
        )
        st.error(message, icon=":material/bug_report:")
    with st.sidebar:
        choose_language()


main()
