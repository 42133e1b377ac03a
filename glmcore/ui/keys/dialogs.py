"""Dialogs about keys: make one, whose secret is shown once and kept nowhere, and revoke one."""

from collections.abc import Sequence

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import LOCAL_USER
from glmcore.keys import Key, Right
from glmcore.keys.store import MOST, NAME_CHARS, KeyStore
from glmcore.ui.dialogs import close_after
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text

PREFIX = "keys"


def make_key(keys: KeyStore, *, is_first: bool) -> None:
    # Closed in whichever way, the page is drawn again and lists the new key.
    @st.dialog(_("Make a key"), on_dismiss="rerun")
    def dialog() -> None:
        place = st.empty()
        with place.container():
            made = _ask(keys, is_first)
        if made is not None:
            # Drawn in the run that made it and in no other: neither the session nor the address knows it.
            with place.container():
                _tell(*made)

    dialog()


def revoke_key(keys: KeyStore, key: Key, others: Sequence[Key]) -> None:
    """`others`: all other keys."""

    @st.dialog(_("Revoke a key"))
    def dialog() -> None:
        st.markdown(
            _(
                "Programs that use **{name}** (…{hint}) are refused from then on. This cannot be undone.",
                name=plain(key.name),
                hint=plain(key.hint),
            )
        )
        if all(other.revoked_at is not None for other in others):
            st.warning(
                _(
                    "It is the last valid key: the API then refuses every request, also from its own "
                    "machine, until a new one is made."
                ),
                icon=":material/lock:",
            )
        with st.container(horizontal=True):
            if st.button(_("Revoke"), type="primary", key=f"{PREFIX}_revoke_now"):
                close_after(lambda: keys.revoke(key.id))
            if st.button(_("Cancel"), key=f"{PREFIX}_revoke_cancel"):
                st.rerun()

    dialog()


def _ask(keys: KeyStore, is_first: bool) -> tuple[Key, str] | None:
    """Draw the form; gives the key and its secret in the run that made it."""
    with st.form(f"{PREFIX}_form", border=False):
        if is_first:
            st.info(
                _("This is the first key: from then on every request to the API needs one."),
                icon=":material/lock:",
            )
        name = st.text_input(
            _("Name"), max_chars=NAME_CHARS, key=f"{PREFIX}_name", placeholder=_("what it is for")
        )
        user = st.text_input(
            _("User"),
            LOCAL_USER,
            max_chars=NAME_CHARS,
            key=f"{PREFIX}_user",
            help=_("Whose conversations and jobs its requests belong to."),
        )
        rights = _choose_rights()
        with st.container(horizontal=True):
            per_minute = _choose_limit(_("Requests a minute"), "per_minute")
            at_once = _choose_limit(_("Answers at once"), "at_once")
        stores = st.toggle(_("Keep its chats as conversations of its user"), key=f"{PREFIX}_stores")
        is_sent = st.form_submit_button(_("Make"), type="primary", key=f"{PREFIX}_make_now")
    if not is_sent:
        return None
    try:
        return keys.make(
            name,
            user=user,
            rights=rights,
            requests_per_minute=per_minute,
            answers_at_once=at_once,
            stores_chats=stores,
        )
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        return None


def _choose_rights() -> frozenset[Right]:
    labels = {
        Right.CHAT: _("Chat: ask models"),
        Right.JOBS: _("Jobs: start and stop jobs on this server, read their logs and curves"),
        Right.HISTORY: _("History: read and export the conversations of its user"),
        Right.METRICS: _("Metrics: what the server measures of itself"),
    }
    st.caption(_("May be used for"))
    return frozenset(
        right
        for right, label in labels.items()
        if st.checkbox(label, value=right is Right.CHAT, key=f"{PREFIX}_may_{right}")
    )


def _choose_limit(label: str, name: str) -> int:
    return int(st.number_input(label, 0, MOST, 0, key=f"{PREFIX}_{name}", help=_("0 is no limit.")))


def _tell(key: Key, secret: str) -> None:
    st.markdown(
        _("The key **{name}** is made. Copy it now: it is shown this once only.", name=plain(key.name))
    )
    st.code(secret, language=None, wrap_lines=True)
    if st.button(_("Done"), type="primary", key=f"{PREFIX}_done"):
        st.rerun()
