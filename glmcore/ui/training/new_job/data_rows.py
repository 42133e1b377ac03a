"""The rows of a data file, a page at a time, as the file has them; they are shown and never interpreted."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.data_preview import FileLook, Page
from glmcore.tuning.data.columns import Columns
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.new_job.draft import PREFIX
from glmcore.ui.training.new_job.resources import data_preview

ROWS = 10  # of a page
ROW_HEIGHT = 35  # pixels, of Streamlit's tables
START_KEY = PREFIX + "rows_start"  # path, and the place of the first row that is shown


@st.fragment
def show_rows(path: Path, encoding: str, look: FileLook, roles: Columns | None) -> None:
    """Leafing through them draws nothing else anew."""
    if not look.num_rows:
        return
    kept, start = st.session_state.get(START_KEY, (None, 0))
    if kept != path:
        start = 0
    try:
        page = data_preview().rows(path, encoding, start, ROWS)
    except GlmcoreError as fault:
        st.error(error_text(fault), icon=":material/error:")
        return
    st.dataframe(
        _table(page, look),
        height=ROW_HEIGHT * (ROWS + 1) + 3,
        column_config=_headings(look, roles),
        key=PREFIX + "rows",
    )
    if page.fault is not None:
        st.error(error_text(page.fault), icon=":material/error:")
    _show_leafing(path, start, page, look)


def _table(page: Page, look: FileLook) -> pd.DataFrame:
    """Every page has the columns of the whole file, and the place of each row before them."""
    columns = {
        column.name: [row.values.get(column.name) for row in page.rows] for column in look.shown_columns
    }
    return pd.DataFrame(
        columns, index=pd.Index([row.number for row in page.rows], name=_("Line")), dtype=object
    )


def _headings(look: FileLook, roles: Columns | None) -> dict[str, Any]:
    said = _roles(roles)
    headings: dict[str, Any] = {}
    for column in look.shown_columns:
        role = said.get(column.name)
        headings[column.name] = st.column_config.TextColumn(
            f"{column.name} ({role})" if role else column.name, width="medium", help=_(column.kind)
        )
    return headings


def _roles(roles: Columns | None) -> dict[str, str]:
    """Column -> what is read from it."""
    if roles is None:
        return {}
    found = {
        roles.prompt: _("question"),
        roles.prompt_input: _("question"),
        roles.response: _("answer"),
        roles.history: _("earlier turns"),
        roles.messages: _("conversation"),
        roles.system: _("system"),
    }
    return {column: role for column, role in found.items() if column is not None}


def _show_leafing(path: Path, start: int, page: Page, look: FileLook) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for key, icon, label, place, is_possible in (
            ("first", ":material/first_page:", _("First rows"), 0, start > 0),
            ("back", ":material/chevron_left:", _("Rows before"), max(0, start - ROWS), start > 0),
            ("next", ":material/chevron_right:", _("Rows after"), start + ROWS, page.has_more),
        ):
            st.button(
                icon,
                key=f"{PREFIX}rows_{key}",
                help=label,
                disabled=not is_possible,
                on_click=_go_to,
                args=(path, place),
            )
        st.caption(
            _("{first}–{last} of {rows}", first=start + 1, last=start + len(page.rows), rows=_rows_text(look))
        )


def _go_to(path: Path, place: int) -> None:
    st.session_state[START_KEY] = (path, place)


def _rows_text(look: FileLook) -> str:
    if look.is_counted:
        return plural("one row", "{count:,} rows", look.num_rows)
    return _("more than {count:,} rows", count=look.num_rows)
