"""Which conversations a view works with: those ticked in the list, or what a filter finds."""

from dataclasses import dataclass

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import ConversationFilter
from glmcore.ui.history.address import CHOSEN_KEY
from glmcore.ui.history.filter_bar import show_filters
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text, plural


@dataclass(frozen=True, slots=True)
class Meant:
    """Conversations, and how many they are now."""

    chosen: ConversationFilter
    count: int


def choose_meant(shared: Services, prefix: str, nothing: str) -> Meant | None:
    """Draw the choice; None where there is nothing to work with, which is said.

    Args:
        prefix: of the keys of the widgets.
        nothing: said where no conversation is meant.
    """
    ids: tuple[str, ...] = st.session_state.get(CHOSEN_KEY, ())
    try:
        chosen = ConversationFilter(shelf=None, ids=ids) if ids else show_filters(shared, prefix)
        count = shared.history.conversations.count(OWNER, chosen)
    except GlmcoreError as error:
        st.warning(error_text(error), icon=":material/search:")
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        if ids:
            text = plural(
                "**{count}** conversation, chosen in the list",
                "**{count}** conversations, chosen in the list",
                count,
            )
        else:
            text = plural("**{count}** conversation", "**{count}** conversations", count)
        st.markdown(text, width="content")
        if ids:
            st.button(
                _("Choose by filter instead"),
                key=f"{prefix}_forget_chosen",
                type="tertiary",
                icon=":material/filter_alt:",
                on_click=st.session_state.pop,
                args=(CHOSEN_KEY, None),
            )
    if not count:
        st.info(nothing, icon=":material/forum:")
        return None
    return Meant(chosen, count)
