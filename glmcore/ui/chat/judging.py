"""What a person thinks of an answer: thumbs at a glance; stars, words and the ideal answer in a dialog."""

from dataclasses import replace

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import HistoryStore, Judgement, StoredMessage
from glmcore.history.judgements import (
    COMMENT_CHARS,
    DOWN,
    REASONS,
    REASONS_DOWN,
    REASONS_UP,
    REPAIR_CHARS,
    UP,
)
from glmcore.ui.markdown import plain, to_markdown
from glmcore.ui.session import NOTICE_KEY, OWNER
from glmcore.ui.text import _, error_text

THUMBS = (DOWN, UP)  # in the order of the widget
ORIGINAL, IDEAL = "original", "ideal"
SHORT_COMMENT = 80  # characters of it below an answer


def show_thumbs(history: HistoryStore, judgement: Judgement) -> None:
    """👍 and 👎, stored with a click; a second one takes it back."""
    key = f"thumb_{judgement.message_id}"
    # What is stored is shown, also where another window changed it; a click was stored before this run.
    st.session_state[key] = None if judgement.thumb is None else THUMBS.index(judgement.thumb)
    st.feedback("thumbs", key=key, on_change=_store_thumb, args=(history, judgement, key))


def _store_thumb(history: HistoryStore, seen: Judgement, key: str) -> None:
    chosen = st.session_state[key]
    thumb = None if chosen is None else THUMBS[chosen]
    reason = seen.reason if seen.reason in reasons_for(thumb) else None
    try:
        history.judgements.judge(OWNER, replace(seen, thumb=thumb, reason=reason))
    except GlmcoreError as error:
        st.session_state[NOTICE_KEY] = error


def reasons_for(thumb: int | None) -> list[str]:
    """The reasons that go with a thumb."""
    return list({UP: REASONS_UP, DOWN: REASONS_DOWN, None: REASONS}[thumb])


def show_text(message: StoredMessage, judgement: Judgement) -> None:
    """The answer; the ideal one in its place where there is one, with a switch between both."""
    if judgement.repair is None:
        st.markdown(to_markdown(message.content))
        return
    names = {IDEAL: _("Ideal answer"), ORIGINAL: _("As it was answered")}
    chosen = st.segmented_control(
        _("Which answer is shown"),
        list(names),
        format_func=names.__getitem__,
        default=IDEAL,
        required=True,
        key=f"repaired_{message.id}",
        label_visibility="collapsed",
    )
    st.markdown(to_markdown(message.content if chosen == ORIGINAL else judgement.repair))


def summary(judgement: Judgement) -> str:
    """Stars, reason and comment in one line of Markdown; empty when there are none."""
    parts = ["★" * judgement.stars] if judgement.stars else []
    if judgement.reason:
        parts.append(_(REASONS.get(judgement.reason, judgement.reason)))
    if judgement.comment:
        comment = judgement.comment.splitlines()[0]
        is_cut = comment != judgement.comment or len(comment) > SHORT_COMMENT
        parts.append(plain(f"“{comment[:SHORT_COMMENT]}{'…' if is_cut else ''}”"))
    return " · ".join(parts)


def open_dialog(history: HistoryStore, message: StoredMessage, seen: Judgement) -> None:
    """Ask for stars, reason, comment and the ideal answer; `seen` is what is stored of them."""

    @st.dialog(_("Judge this answer"), width="medium")
    def dialog() -> None:
        wanted = _fields(message, seen)
        with st.container(horizontal=True):
            if st.button(_("Save"), type="primary", key="judge_save"):
                _store(history, wanted)
            if st.button(_("Cancel"), key="judge_cancel"):
                st.rerun()

    dialog()


def _fields(message: StoredMessage, seen: Judgement) -> Judgement:
    """The fields of the dialog, filled with what is stored; gives the judgement as they stand."""
    key = f"judge_{message.id}_{seen.version}"
    with st.container(horizontal=True, gap="large"):
        chosen = st.feedback(
            "thumbs", key=f"{key}_thumb", default=None if seen.thumb is None else THUMBS.index(seen.thumb)
        )
        stars = st.feedback(
            "stars", key=f"{key}_stars", default=None if seen.stars is None else seen.stars - 1
        )
    thumb = None if chosen is None else THUMBS[chosen]
    reasons = reasons_for(thumb)
    reason = st.selectbox(
        _("Why"),
        reasons,
        index=reasons.index(seen.reason) if seen.reason in reasons else None,
        format_func=lambda name: _(REASONS[name]),
        placeholder=_("Choose a reason"),
        key=f"{key}_reason_{thumb}",
    )
    comment = st.text_area(
        _("Comment"), seen.comment or "", max_chars=COMMENT_CHARS, height=80, key=f"{key}_comment"
    )
    repair = st.text_area(
        _("Ideal answer"),
        message.content if seen.repair is None else seen.repair,
        max_chars=REPAIR_CHARS,
        height=240,
        key=f"{key}_repair",
        help=_("The answer as it should have been. Both are kept; left as it is, or empty, there is none."),
    )
    return replace(
        seen,
        thumb=thumb,
        stars=None if stars is None else stars + 1,
        reason=reason,
        comment=comment,
        repair=repair,
    )


def _store(history: HistoryStore, wanted: Judgement) -> None:
    try:
        history.judgements.judge(OWNER, wanted)
    except GlmcoreError as error:  # the dialog stays, with what was typed
        st.error(error_text(error), icon=":material/error:")
    else:
        st.rerun()
