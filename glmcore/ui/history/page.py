"""The history page: which of its views is open, by the address."""

import streamlit as st

from glmcore.ui.history.address import DATA, IMPORT, LIST, REPLAY, USAGE
from glmcore.ui.services import Services, services
from glmcore.ui.style import WIDE_STYLE
from glmcore.ui.text import _
from glmcore.ui.views import open_view

SHOWN_KEY = "history_view"


def show() -> None:
    st.html(WIDE_STYLE)
    shared = services()
    names = {
        LIST: _("Conversations"),
        IMPORT: _("Import"),
        DATA: _("Training data"),
        REPLAY: _("Replay"),
        USAGE: _("Usage"),
    }
    _show_view(open_view(_("History"), names, SHOWN_KEY), shared)


def _show_view(view: str, shared: Services) -> None:
    """Draw it; what another view needs is not imported for it."""
    match view:
        case "import":
            from glmcore.ui.history.importing import show
        case "data":
            from glmcore.ui.history.training_data import show
        case "replay":
            from glmcore.ui.history.replay import show
        case "usage":
            from glmcore.ui.history.usage_view import show
        case _:
            from glmcore.ui.history.list_view import show
    show(shared)
