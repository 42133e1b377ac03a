"""The list of conversations, or what a search found: filter, page by page, actions, and a look inside."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import get_args

import streamlit as st

from glmcore.history import ConversationFilter, ListedConversation
from glmcore.history.listing import Order
from glmcore.history.retention import retention_notes
from glmcore.ui.history import actions, preview
from glmcore.ui.history.action_bar import show_actions
from glmcore.ui.history.address import IMPORT, PAGE_PARAM, SORT_PARAM, go, put_looked_at
from glmcore.ui.history.filter_bar import show_filters
from glmcore.ui.history.search_results import show_hits
from glmcore.ui.history.table import show_table, ticked_of
from glmcore.ui.services import Services
from glmcore.ui.session import CHAT_PAGE, CONVERSATION_PARAM, MESSAGE_PARAM, OWNER
from glmcore.ui.text import _, plural

ROWS, HITS = 30, 20  # on a page
MAX_PAGE = 1_000_000
SORT_KEY = "history_sort"
# On a small screen the preview lies over the lower half, so that the list does not move under a finger.
STYLE = """<style>
.st-key-history_actions {min-height: 2.5rem}
[data-testid='stLayoutWrapper']:has(> .st-key-history_side) {flex: 0 0 min(28rem, 50%)}
.st-key-history_side, .st-key-history_main {min-width: 0}
@media (max-width: 900px) {
  [data-testid='stLayoutWrapper']:has(> .st-key-history_side) {flex-basis: 0}
  .st-key-history_side {
    position: fixed; z-index: 90; left: 0; right: 0; bottom: 0; max-height: 60vh; overflow-y: auto;
    background: Canvas; box-shadow: 0 -4px 16px rgb(0 0 0 / 25%);
  }
}
:is(.st-key-history_close, [class*='st-key-history_branch_']) button [data-testid='stMarkdownContainer'] {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
.history-snippet {overflow-wrap: anywhere; white-space: pre-line}
.history-snippet mark {
  background: color-mix(in srgb, #f5b301 45%, transparent); color: inherit; border-radius: 3px;
}
</style>"""


def show(shared: Services) -> None:
    st.html(STYLE)
    with st.container():  # one place, whether something is said or not
        actions.show_notice()
        actions.show_undo(shared)
    chosen = show_filters(shared, "history", with_deleted=True)
    if chosen.words:
        _show_found(shared, chosen)
    else:
        _show_listed(shared, chosen)


def _show_listed(shared: Services, chosen: ConversationFilter) -> None:
    conversations = shared.history.conversations
    count = conversations.count(OWNER, chosen)
    if count == 0:
        _show_nothing(shared, chosen)
        return
    order = _order()
    page = min(_page(), ceil(count / ROWS))
    listed = conversations.page(OWNER, chosen, order=order, limit=ROWS, offset=ROWS * (page - 1))

    def draw_head() -> None:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.caption(plural("{count} conversation", "{count} conversations", count), width="content")
            _choose_order(order)

    def draw_rows() -> None:
        show_table(listed, shared.settings.trash_days)

    _lay_out(shared, chosen, listed, count, draw_head, draw_rows, num_pages=ceil(count / ROWS))
    kept = [_(note.template, **note.values) for note in retention_notes(shared.settings)]
    st.caption(" ".join(kept))


def _show_found(shared: Services, chosen: ConversationFilter) -> None:
    page = _page()
    found = shared.history.search.find(OWNER, chosen, limit=HITS, offset=HITS * (page - 1))
    if not found.hits and page > 1:  # an address of more than there is
        st.query_params.pop(PAGE_PARAM, None)
        found = shared.history.search.find(OWNER, chosen, limit=HITS)
    if not found.hits:
        _show_nothing(shared, chosen)
        return

    def draw_head() -> None:
        if found.is_total_exact:
            st.caption(plural("{count} conversation found", "{count} conversations found", found.total))
        else:
            st.caption(_("{count} or more conversations found", count=found.total))

    listed = [hit.listed for hit in found.hits]
    count = found.total if found.is_total_exact else None
    num_pages = ceil(found.total / HITS)
    _lay_out(shared, chosen, listed, count, draw_head, lambda: show_hits(found.hits), num_pages=num_pages)


def _lay_out(
    shared: Services,
    chosen: ConversationFilter,
    listed: Sequence[ListedConversation],
    count: int | None,
    draw_head: Callable[[], None],
    draw_rows: Callable[[], None],
    *,
    num_pages: int,
) -> None:
    """The list with its actions, and beside it what is looked at.

    Args:
        count: how many the filter finds, where that is known.
    """
    looked_at = st.query_params.get(CONVERSATION_PARAM)
    draw_head()
    show_actions(shared, ticked_of(listed), chosen, count)
    with st.container(horizontal=True, wrap=False, vertical_alignment="top", key="history_split"):
        with st.container(key="history_main"):
            draw_rows()
            if num_pages > 1:
                _turn_pages(min(_page(), num_pages), num_pages)
        if looked_at:
            with st.container(key="history_side"):
                preview.show(shared, looked_at, st.query_params.get(MESSAGE_PARAM))


def _page() -> int:
    """The number of the page in the address."""
    text = st.query_params.get(PAGE_PARAM, "1")
    is_number = text.isascii() and text.isdigit() and len(text) < 9
    return min(max(int(text), 1), MAX_PAGE) if is_number else 1


def _turn_pages(page: int, num_pages: int) -> None:
    key = f"history_page_{page}"  # a widget for each page, since its default is the page of the address

    def turn() -> None:
        st.query_params[PAGE_PARAM] = str(st.session_state[key])
        put_looked_at(None)

    st.pagination(num_pages, default=page, key=key, on_change=turn)


def _order() -> Order:
    named = st.query_params.get(SORT_PARAM)
    return next((order for order in get_args(Order) if order == named), "recent")


def _choose_order(order: Order) -> None:
    names = {
        "recent": _("Last used first"),
        "oldest": _("Oldest first"),
        "longest": _("Longest first"),
        "title": _("By title"),
    }
    st.session_state[SORT_KEY] = order
    st.selectbox(
        _("Order"),
        list(names),
        format_func=names.__getitem__,
        label_visibility="collapsed",
        width=190,
        key=SORT_KEY,
        on_change=_sort,
    )


def _sort() -> None:
    st.query_params[SORT_PARAM] = st.session_state[SORT_KEY]
    st.query_params.pop(PAGE_PARAM, None)


def _show_nothing(shared: Services, chosen: ConversationFilter) -> None:
    """Why the list is empty, and what to do."""
    if chosen != ConversationFilter(shelf=chosen.shelf):
        st.info(
            _("No conversation fits. Take words or filters away, or look on another shelf."),
            icon=":material/filter_alt_off:",
        )
    elif chosen.shelf == "deleted":
        st.info(
            _("Nothing is deleted. What you delete waits here, so that you can have it back."),
            icon=":material/delete:",
        )
    elif shared.history.conversations.count(OWNER, ConversationFilter(shelf=None)):
        st.info(_("This shelf is empty."), icon=":material/inventory_2:")
    else:
        _show_welcome()


def _show_welcome() -> None:
    st.info(
        _(
            "No conversation yet. Ask something in the chat: it is kept here, can be found by its words, "
            "rated, and made into training data. You can also bring conversations from elsewhere."
        ),
        icon=":material/forum:",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(CHAT_PAGE, label=_("Start a chat"), icon=":material/chat:")
        if st.button(_("Import conversations"), icon=":material/upload:", key="history_first_import"):
            go(IMPORT)
