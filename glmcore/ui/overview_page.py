"""The first page: what this is, what is ready, and the way into the chat."""

import time

import streamlit as st

from glmcore.ui.curves.alerts_panel import show_fired
from glmcore.ui.markdown import plain
from glmcore.ui.model_panel import show_models
from glmcore.ui.services import Services, services
from glmcore.ui.session import CHAT_PAGE, CONVERSATION_PARAM, OWNER
from glmcore.ui.text import _

RECENT = 5


def show() -> None:
    shared = services()
    st.title(_("GLM dashboard"))
    st.markdown(
        _(
            "Chat with GLM-family and other language models on your own machine. A model is loaded once and "
            "shared by everyone who opens this page; nothing you write leaves this server."
        )
        if not shared.settings.endpoints
        else _(
            "Chat with GLM-family and other language models, on this server and on others. A model is loaded "
            "once and shared by everyone who opens this page; what you write goes to another server only "
            "where you choose a model of that server."
        )
    )
    if st.button(_("Start a chat"), icon=":material/chat:", type="primary"):
        st.switch_page(CHAT_PAGE)
    show_fired(shared.curves.alerts, most=10, links=True)
    st.subheader(_("Models"))
    show_models(shared)
    _show_recent(shared)


def _show_recent(shared: Services) -> None:
    conversations = shared.history.conversations.list(OWNER, limit=RECENT)
    if not conversations:
        return
    st.subheader(_("Latest conversations"))
    for conversation in conversations:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(conversation.updated_at))
        label = f"{plain(conversation.title) or _('Untitled')} · {when}"
        st.page_link(
            CHAT_PAGE,
            label=label,
            icon=":material/forum:",
            query_params={CONVERSATION_PARAM: conversation.id},
        )
