"""What a click does to conversations, and the way back. Draws only what was done and what went wrong."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import ConversationFilter, Shelf
from glmcore.history.bulk import pin_all, shelves_of
from glmcore.server.stored_answer import end_answers
from glmcore.ui.history.meant import Meant
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text, plural

NOTICE_KEY, UNDO_KEY = "history_notice", "history_undo"
UNDO_SECONDS = 120.0  # so long the way back is offered; the shelf of deleted ones keeps them longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """The last move between shelves: where to, and on which shelf each conversation was before."""

    until: float
    shelf: Shelf
    before: Mapping[str, Shelf]


def ids_of(shared: Services, meant: Meant) -> list[str]:
    """Those that are meant, as it is now."""
    return list(shelves_of(shared.history.database, OWNER, meant.chosen))


def put_on(shared: Services, ids: Sequence[str], shelf: Shelf) -> None:
    """Move conversations to a shelf, so that it can be undone; what is being written in deleted ones ends."""
    history = shared.history
    before: dict[str, Shelf] = {}
    for old in ("open", "archived", "deleted"):
        if old != shelf:
            before |= shelves_of(history.database, OWNER, ConversationFilter(shelf=old, ids=tuple(ids)))
    if shelf == "deleted":
        end_answers(shared.history, shared.answers, OWNER, ids)
    history.conversations.put_on(OWNER, ids, shelf)
    st.session_state[UNDO_KEY] = Undo(until=time.monotonic() + UNDO_SECONDS, shelf=shelf, before=before)


def remove(shared: Services, ids: Sequence[str]) -> None:
    """For good; the way back of an earlier deletion would lead nowhere."""
    end_answers(shared.history, shared.answers, OWNER, ids)
    shared.history.conversations.remove(OWNER, ids)
    st.session_state.pop(UNDO_KEY, None)


def pin(shared: Services, ids: Sequence[str], is_pinned: bool) -> None:
    pin_all(shared.history.database, OWNER, ids, is_pinned)


def change_tags(
    shared: Services, ids: Sequence[str], added: Sequence[str], taken_away: Sequence[str]
) -> None:
    for name in taken_away:
        shared.history.tags.take_away(OWNER, ids, name)
    for name in added:
        shared.history.tags.add(OWNER, ids, name)


def tried(action: Callable[[], object]) -> bool:
    """Do it; a fault is said by the next run of the page."""
    try:
        action()
    except GlmcoreError as error:
        st.session_state[NOTICE_KEY] = error
        return False
    return True


def show_notice() -> None:
    """What went wrong with the last click."""
    error = st.session_state.pop(NOTICE_KEY, None)
    if error is not None:
        st.warning(error_text(error), icon=":material/warning:")


def show_undo(shared: Services) -> None:
    """What was moved last, with the way back, for a while."""
    undo: Undo | None = st.session_state.get(UNDO_KEY)
    if undo is None or time.monotonic() > undo.until or not undo.before:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="history_undo_bar"):
        st.markdown(_moved_text(undo), width="content")
        if st.button(_("Undo"), icon=":material/undo:", key="history_undo_now"):
            tried(lambda: _take_back(shared, undo))
            st.rerun()


def _moved_text(undo: Undo) -> str:
    count = len(undo.before)
    match undo.shelf:
        case "deleted":
            return plural("{count} conversation deleted", "{count} conversations deleted", count)
        case "archived":
            return plural("{count} conversation archived", "{count} conversations archived", count)
    return plural("{count} conversation is open again", "{count} conversations are open again", count)


def _take_back(shared: Services, undo: Undo) -> None:
    for shelf in set(undo.before.values()):
        ids = [each for each, before in undo.before.items() if before == shelf]
        # What somebody did to them since then stays done.
        shared.history.conversations.put_on(OWNER, ids, shelf, only_from=undo.shelf)
    del st.session_state[UNDO_KEY]
