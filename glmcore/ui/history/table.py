"""The list of conversations as a table: ticked rows are kept, a click on a title opens the preview."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from glmcore.history import ListedConversation
from glmcore.ui.history.address import put_looked_at
from glmcore.ui.history.words import PIN_ICON, adapter_name, moment_text, rating_text, title_of
from glmcore.ui.text import _

TICKED_KEY, CLICKED_KEY = "history_ticked", "history_clicked"
ROW_PIXELS, MAX_HEIGHT = 35, 1100


def ticked_of(listed: Sequence[ListedConversation]) -> list[ListedConversation]:
    """Those of this page that are ticked."""
    ids = st.session_state.get(TICKED_KEY, ())
    return [each for each in listed if each.conversation.id in ids]


def show_table(listed: Sequence[ListedConversation], trash_days: float) -> None:
    """Draw it.

    Args:
        trash_days: how long deleted conversations are kept; 0 keeps all.
    """
    import pandas as pd

    ids = [each.conversation.id for each in listed]
    # Ticked are places, so a table of other conversations is another element.
    key = f"history_table_{hash(tuple(ids)) & 0xFFFFFF}"
    kept = st.session_state.get(TICKED_KEY, ())
    places = [place for place, each in enumerate(ids) if each in kept]
    st.dataframe(
        pd.DataFrame([_row(each, trash_days) for each in listed]),
        key=key,
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(ids) + 1) + 3),
        on_select=lambda: _tick(key, ids),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": places}} if key not in st.session_state else None,
        column_config=_columns(ids),
    )


def _tick(key: str, ids: Sequence[str]) -> None:
    """One that is ticked alone is looked at, too."""
    rows = st.session_state[key].selection.rows
    ticked = tuple(ids[place] for place in rows if place < len(ids))
    st.session_state[TICKED_KEY] = ticked
    if len(ticked) == 1:
        put_looked_at(ticked[0])


def _open(ids: Sequence[str]) -> None:
    clicked = st.session_state.get(CLICKED_KEY)
    if clicked is not None and 0 <= clicked["row"] < len(ids):
        put_looked_at(ids[clicked["row"]])


def _row(listed: ListedConversation, trash_days: float) -> dict[str, object]:
    conversation = listed.conversation
    row: dict[str, object] = {
        "title": (PIN_ICON if conversation.is_pinned else "") + title_of(conversation),
        "when": moment_text(conversation.updated_at),
        "turns": conversation.num_turns,
        "ratings": rating_text(listed),
        "tags": list(listed.tags),
        "model": conversation.model,
        "adapter": adapter_name(conversation.adapter, conversation.model),
    }
    if conversation.deleted_at is not None:
        row["kept"] = kept_until(conversation.deleted_at, trash_days)
    return row


def kept_until(deleted_at: float, trash_days: float) -> str:
    return moment_text(deleted_at + trash_days * 86_400) if trash_days else _("kept")


def _columns(ids: Sequence[str]) -> dict[str, Any]:
    text = st.column_config.TextColumn
    return {
        "title": st.column_config.ButtonColumn(
            _("Title"),
            key=CLICKED_KEY,
            type="tertiary",
            alignment="left",
            width=300,
            on_click=_open,
            args=(ids,),
        ),
        "when": text(_("Last used"), width=125),
        "turns": st.column_config.NumberColumn(_("Turns"), width=55),
        "ratings": text(
            _("Ratings"), width=100, help=_("+ good, − bad, ✎ with an ideal answer, ★ the most stars")
        ),
        "tags": st.column_config.ListColumn(_("Tags"), width=140),
        "model": text(_("Model"), width=150),
        "adapter": text(_("Adapter"), width=110),
        "kept": text(_("Kept until"), width=125),
    }
