"""The page "API": what it is, where it is, who is let in, and examples to begin with."""

from collections.abc import Sequence

import streamlit as st

from glmcore.keys import Key
from glmcore.ui.keys import dialogs
from glmcore.ui.keys.examples import base_url, show_examples
from glmcore.ui.keys.table import show_table, valid_first
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services, services
from glmcore.ui.text import _


def show() -> None:
    shared, base = services(), base_url()
    listed = valid_first(shared.keys.list())
    st.title(_("API"))
    st.markdown(
        _(
            "Programs use this server's models over HTTP, in the form of OpenAI's API, so that their clients "
            "work unchanged. Jobs, curves and conversations have addresses of their own."
        )
    )
    st.markdown(
        _("For OpenAI's clients: {url}", url=plain(f"{base}/v1"))
        + "  \n"
        + _("Everything else: {url}", url=plain(f"{base}/api"))
    )
    st.link_button(_("All addresses and fields"), f"{base}/api/docs", icon=":material/menu_book:")
    _show_keys(shared, listed)
    st.subheader(_("Examples"), anchor=False)
    show_examples(base, shared.settings.model, needs_key=bool(listed))


def _show_keys(shared: Services, listed: Sequence[Key]) -> None:
    st.subheader(_("Keys"), anchor=False)
    _tell_who_gets_in(listed)
    st.caption(
        _("Everyone who can open these pages can make and revoke keys, as long as there is no sign-in.")
    )
    if st.button(_("Make a key"), icon=":material/add:", key="keys_make"):
        dialogs.make_key(shared.keys, is_first=not listed)
    if not listed:
        return
    clicked = show_table(listed)
    if clicked is not None:
        dialogs.revoke_key(shared.keys, clicked, [key for key in listed if key.id != clicked.id])


def _tell_who_gets_in(listed: Sequence[Key]) -> None:
    if not listed:
        st.info(
            _(
                "No key has been made: programs on the server's own machine need none, and those on other "
                "machines are refused."
            ),
            icon=":material/lock_open:",
        )
    elif all(key.revoked_at is not None for key in listed):
        st.warning(
            _(
                "Every key is revoked, so the API refuses all requests, also from its own machine, until a "
                "new one is made."
            ),
            icon=":material/lock:",
        )
    else:
        st.info(_("Every request needs a key."), icon=":material/lock:")
