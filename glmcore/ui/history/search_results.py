"""What a search found, as cards: the place in the conversation with the words marked, best first."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from glmcore.history.search.find import SearchHit
from glmcore.history.search.snippets import SnippetPart
from glmcore.ui.history.address import put_looked_at
from glmcore.ui.history.table import TICKED_KEY
from glmcore.ui.history.words import PIN_ICON, facts_of, marked_title
from glmcore.ui.session import CHAT_PAGE, CONVERSATION_PARAM, MESSAGE_PARAM
from glmcore.ui.text import _, plural


def show_hits(hits: Sequence[SearchHit]) -> None:
    for hit in hits:
        with st.container(border=True, gap="xsmall"):
            _show_hit(hit)


def _show_hit(hit: SearchHit) -> None:
    conversation = hit.listed.conversation
    pin = PIN_ICON if conversation.is_pinned else ""
    key = f"history_tick_{conversation.id}"
    st.session_state[key] = conversation.id in st.session_state.get(TICKED_KEY, ())
    st.checkbox(f"{pin}**{marked_title(conversation)}**", key=key, on_change=_tick, args=(conversation.id,))
    st.caption(facts_of(hit.listed))
    st.html(snippet_html(hit.snippet))
    with st.container(horizontal=True, vertical_alignment="center"):
        query = {CONVERSATION_PARAM: conversation.id}
        if hit.message_id is not None:
            query[MESSAGE_PARAM] = hit.message_id
        st.page_link(
            CHAT_PAGE,
            label=_("Open at this message") if hit.message_id else _("Open in the chat"),
            icon=":material/open_in_new:",
            query_params=query,
        )
        st.button(
            _("Preview"),
            icon=":material/preview:",
            type="tertiary",
            key=f"history_look_{conversation.id}",
            on_click=put_looked_at,
            args=(conversation.id, hit.message_id),
        )
        st.caption(_where(hit), width="content")


def _where(hit: SearchHit) -> str:
    place = {"user": _("in a question"), "assistant": _("in an answer")}.get(
        hit.role or "", _("in the title")
    )
    if hit.num_messages < 2:
        return place
    more = plural("{count} message has the words", "{count} messages have the words", hit.num_messages)
    return f"{place} · {more}"


def snippet_html(parts: Sequence[SnippetPart]) -> str:
    """Escaped first, so that nothing a person or a model wrote is HTML here."""
    marked = (f"<mark>{escape(part.text)}</mark>" if part.is_hit else escape(part.text) for part in parts)
    return f'<div class="history-snippet">{"".join(marked)}</div>'


def _tick(conversation_id: str) -> None:
    """As the checkbox was clicked."""
    ticked = dict.fromkeys(st.session_state.get(TICKED_KEY, ()))
    if st.session_state[f"history_tick_{conversation_id}"]:
        ticked[conversation_id] = None
    else:
        ticked.pop(conversation_id, None)
    st.session_state[TICKED_KEY] = tuple(ticked)
