"""The keys as a table: valid ones first, each with a button that revokes it; never a secret."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from glmcore.keys import Key, Right
from glmcore.ui.text import _
from glmcore.ui.training.jobs.words import moment_text

ROW_PIXELS, MAX_HEIGHT = 35, 600


def right_names() -> dict[Right, str]:
    return {
        Right.CHAT: _("chat"),
        Right.JOBS: _("jobs"),
        Right.HISTORY: _("history"),
        Right.METRICS: _("metrics"),
    }


def valid_first(keys: Sequence[Key]) -> list[Key]:
    """In this order otherwise."""
    return sorted(keys, key=lambda key: key.revoked_at is not None)


def show_table(listed: Sequence[Key]) -> Key | None:
    """Draw it; gives the key that was just clicked to be revoked."""
    import pandas as pd

    # A click tells a row, so a table of other keys is another element.
    shown = hash(tuple((key.id, key.revoked_at) for key in listed)) & 0xFFFFFF
    clicked_key = f"keys_clicked_{shown}"
    st.dataframe(
        pd.DataFrame([_row(key) for key in listed]),
        key=f"keys_table_{shown}",
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(listed) + 1) + 3),
        column_config=_columns(clicked_key),
    )
    clicked = st.session_state.get(clicked_key)
    if clicked is None or not 0 <= clicked["row"] < len(listed):
        return None
    key = listed[clicked["row"]]
    return key if key.revoked_at is None else None


def _row(key: Key) -> dict[str, Any]:
    names = right_names()
    is_valid = key.revoked_at is None
    return {
        "name": key.name,
        "revoke": _("Revoke") if is_valid else None,
        "state": _("valid") if is_valid else _("revoked"),
        "user": key.user,
        "rights": ", ".join(names[right] for right in Right if right in key.rights),
        "used": moment_text(key.last_used_at),
        "made": moment_text(key.created_at),
        "minute": key.requests_per_minute or None,
        "once": key.answers_at_once or None,
        "chats": key.stores_chats,
        "hint": f"…{key.hint}",
    }


def _columns(clicked_key: str) -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "name": text(_("Name"), pinned=True, width=125),
        "revoke": st.column_config.ButtonColumn("", key=clicked_key, type="tertiary", width=75),
        "state": text(_("State"), width=65),
        "user": text(_("User"), width=70, help=_("Whose conversations and jobs its requests belong to.")),
        "rights": text(_("May be used for"), width=120),
        "used": text(_("Last used"), width=120, help=_("To the minute.")),
        "made": text(_("Created"), width=120),
        "minute": number(_("Requests a minute"), format="%d", width=130),
        "once": number(_("Answers at once"), format="%d", width=120),
        "chats": st.column_config.CheckboxColumn(
            _("Keeps chats"), width=90, help=_("What is asked with it becomes conversations of its user.")
        ),
        "hint": text(_("Ends with"), width=80, help=_("The end of the secret, to tell keys apart.")),
    }
