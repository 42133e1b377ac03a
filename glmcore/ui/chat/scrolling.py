"""Brings a place of the page into sight, which Streamlit has no call for."""

from pathlib import Path

import streamlit as st

_mount = st.components.v2.component(
    "glmcore_scroll", js=Path(__file__).with_name("scroll.js").read_text(encoding="utf-8")
)


def scroll_to(key: str, name: str) -> None:
    """Scroll to the container with the key, once for each name and not in each run of the page."""
    _mount(key="scroll", data={"key": key, "name": name}, height="content")
