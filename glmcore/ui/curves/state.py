"""Keeps the view of the curves page in the session and in the address, and gives widgets their values.

The address of the page always says what is seen, so it can be copied; one that is opened sets the view.
"""

from dataclasses import fields, replace
from typing import Any

import streamlit as st

from glmcore.ui.curves.address import DEFAULT, PageState, from_query, to_query

STATE_KEY = "curves_state"
WRITTEN_KEY = "curves_written"  # the parts of the address that this session wrote last
WIDGETS = tuple(entry.name for entry in fields(PageState) if entry.name != "zoom")


def widget_key(name: str) -> str:
    return f"curves_{name}"


def open_state() -> PageState:
    """The view that the address names; the session's last one where it names none (from the page list)."""
    named = {name: st.query_params.get_all(name) for name in (*WIDGETS, "zoom") if name in st.query_params}
    written = st.session_state.get(WRITTEN_KEY)
    if written is None or (named and named != written):  # the page was opened, or a link to it
        put(from_query(named))
    state: PageState = st.session_state.setdefault(STATE_KEY, DEFAULT)
    for name in WIDGETS:  # Streamlit forgets widgets of a page that was left
        if widget_key(name) not in st.session_state:
            st.session_state[widget_key(name)] = _for_widget(getattr(state, name))
    _write(state)
    return state


def put(state: PageState) -> None:
    """Set the view, before its widgets are drawn (in a callback, or at the start of a run)."""
    keep(state)
    for name in WIDGETS:
        st.session_state[widget_key(name)] = _for_widget(getattr(state, name))


def keep(state: PageState) -> PageState:
    """Remember what the widgets gave, and say it in the address."""
    st.session_state[STATE_KEY] = state
    _write(state)
    return state


def kept_state() -> PageState:
    """The view as it was kept last; for parts that are drawn again alone."""
    state: PageState = st.session_state.get(STATE_KEY, DEFAULT)
    return state


def keep_zoom(zoom: tuple[float, float] | None) -> PageState:
    return keep(replace(kept_state(), zoom=zoom))


def reset() -> None:
    """Back to the defaults, in the same folder of logs."""
    put(PageState(folder=kept_state().folder))


def _write(state: PageState) -> None:
    query = {name: [value] if isinstance(value, str) else value for name, value in to_query(state).items()}
    st.session_state[WRITTEN_KEY] = query
    if {name: st.query_params.get_all(name) for name in st.query_params} != query:
        st.query_params.from_dict(query)  # at once: each change is a step back for the browser


def _for_widget(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
