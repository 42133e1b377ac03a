"""Which part of a conversation is drawn: its latest turns, or those around a message in the address."""

from dataclasses import dataclass

import streamlit as st

from glmcore.history import Conversation, HistoryStore, PathEntry
from glmcore.ui.chat.place import enter
from glmcore.ui.chat.scrolling import scroll_to
from glmcore.ui.text import _, plural

TURNS_AT_ONCE = 30  # a browser needs about 3 ms for each message in every rerun
BEFORE_FOUND = 10  # messages above the one that the address names, at first
SHOWN_KEY = "shown_messages"  # (conversation, message that the address names) -> Shown
SCROLLED = "scrolled_to"  # key of the place that the page is scrolled to


@dataclass(frozen=True, slots=True)
class Shown:
    """How many messages are drawn before and after the one that the address names; where the page stands."""

    before: int
    after: int
    scroll_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is drawn of a conversation."""

    path: tuple[PathEntry, ...] = ()
    num_earlier: int = 0
    has_later: bool = False
    found_id: str | None = None  # the message that the address names
    scroll_to: str | None = None

    @property
    def leaf_id(self) -> str | None:
        """The end of the branch, where it is drawn."""
        return self.path[-1].message.id if self.path and not self.has_later else None


def path_limit(conversation_id: str) -> int:
    """How many messages of a conversation are drawn at its end."""
    return _shown(conversation_id, None).before


def read_view(history: HistoryStore, conversation: Conversation, message_id: str | None) -> View:
    """Read what is to be drawn, and no more.

    Raises:
        NotFoundError: the message is not in this conversation.
    """
    owner, shown = conversation.owner, _shown(conversation.id, message_id)
    if message_id is None:
        limit = shown.before
        path = tuple(history.messages.path(owner, conversation.id, limit=limit))
        earlier = conversation.leaf_depth - len(path) if len(path) == limit else 0
        return View(path=path, num_earlier=max(earlier, 0))
    window = history.messages.window(
        owner, conversation.id, message_id, before=shown.before, after=shown.after
    )
    return View(
        path=window.entries,
        num_earlier=window.num_earlier,
        has_later=window.has_later,
        found_id=message_id,
        scroll_to=shown.scroll_to,
    )


def show_earlier(view: View, conversation: Conversation) -> None:
    """The way up, where there is more; and the page is scrolled to where it is to stand."""
    if view.scroll_to is not None:
        scroll_to(SCROLLED, view.scroll_to)
    if view.num_earlier == 0:
        return
    label = plural(
        "Show earlier turns ({count} message)", "Show earlier turns ({count} messages)", view.num_earlier
    )
    if st.button(label, icon=":material/expand_less:", type="tertiary", key="show_earlier"):
        _show_more(conversation, view, before=2 * TURNS_AT_ONCE)


def show_later(view: View, conversation: Conversation) -> None:
    """The way down, where the end of the branch is not drawn."""
    if view.has_later and st.button(
        _("Show later turns"), icon=":material/expand_more:", type="tertiary", key="show_later"
    ):
        _show_more(conversation, view, after=2 * TURNS_AT_ONCE)


def show_way_to_end(view: View, conversation: Conversation, history: HistoryStore) -> None:
    """The way to the end of the branch that is looked at, where questions are asked; it changes nothing."""
    label, icon = _("To the end"), ":material/keyboard_double_arrow_down:"
    if view.found_id is not None and st.button(label, icon=icon, key="to_the_end"):
        leaf_id = history.messages.leaf_through(conversation.owner, conversation.id, view.found_id)
        enter(conversation.id, None if leaf_id == conversation.leaf_id else leaf_id)
        st.rerun()


def _shown(conversation_id: str, message_id: str | None) -> Shown:
    count = 2 * TURNS_AT_ONCE
    if message_id is None:
        first = Shown(count, 0, None)
    else:
        first = Shown(BEFORE_FOUND, count - 1 - BEFORE_FOUND, message_id)
    shown: dict[tuple[str, str | None], Shown] = st.session_state.get(SHOWN_KEY, {})
    return shown.get((conversation_id, message_id), first)


def _show_more(conversation: Conversation, view: View, *, before: int = 0, after: int = 0) -> None:
    """Draw so many more in the next run, with the page where it stands now."""
    now = _shown(conversation.id, view.found_id)
    edge = view.path[0] if before else view.path[-1]
    scroll_to = edge.message.id if view.found_id is not None else None
    shown = Shown(now.before + before, now.after + after, scroll_to)
    st.session_state.setdefault(SHOWN_KEY, {})[conversation.id, view.found_id] = shown
    st.rerun()
