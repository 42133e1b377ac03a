"""A page of several views: the address says which one is open, a switch beside the title leads to another."""

from collections.abc import Mapping

import streamlit as st

from glmcore.ui.session import VIEW_PARAM
from glmcore.ui.text import _


def open_view(title: str, names: Mapping[str, str], key: str) -> str:
    """Draw title and switch; gives the view of the address, the first one where it names none.

    Args:
        names: what each view is called, in order.
        key: of the switch.
    """
    first = next(iter(names))
    named = st.query_params.get(VIEW_PARAM, first)
    view = named if named in names else first
    st.session_state[key] = view
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title(title, width="stretch")
        st.segmented_control(
            _("View"),
            list(names),
            key=key,
            format_func=names.__getitem__,
            label_visibility="collapsed",
            required=True,
            on_change=_go,
            args=(key,),
        )
    return view


def _go(key: str) -> None:
    """To a view from its beginning: what else the address says belongs to the one that is left."""
    st.query_params.from_dict({VIEW_PARAM: st.session_state[key]})
