"""How a dialog ends, on whichever page."""

from collections.abc import Callable

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.ui.text import error_text


def close_after(action: Callable[[], object]) -> None:
    """Do what a dialog is for and close it, or say in it why not: the page does not see its errors."""
    try:
        action()
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
    else:
        st.rerun()
