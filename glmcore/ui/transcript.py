"""Draws a conversation: the latest turns at once, older ones on demand, with versions, facts and actions."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from glmcore.chat.answers import Snapshot
from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import AnswerFacts, StopReason
from glmcore.history import Conversation, PathEntry, StoredMessage
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.asking import AnswerOptions, answer, continue_answer, store_edited
from glmcore.ui.live_answer import draw_until_done
from glmcore.ui.markdown import plain, to_markdown
from glmcore.ui.services import Services
from glmcore.ui.session import NOTICE_KEY
from glmcore.ui.text import _, error_text, plural

TURNS_AT_ONCE = 30  # a browser needs about 3 ms for each message in every rerun
LONG_QUESTION_CHARACTERS = 20_000
EDITING_KEY = "editing"
SHOWN_TURNS_KEY = "shown_turns"


def path_limit(conversation_id: str) -> int:
    """How many messages of a conversation are drawn."""
    return 2 * int(st.session_state.get(SHOWN_TURNS_KEY, {}).get(conversation_id, TURNS_AT_ONCE))


class Transcript:
    """One conversation on the page."""

    def __init__(
        self, services: Services, conversation: Conversation, path: list[PathEntry], options: AnswerOptions
    ) -> None:
        self._services, self._conversation, self._path, self._options = services, conversation, path, options
        self._messages = services.history.messages

    def show(self) -> None:
        """Draw the branch that is open; when its answer is still being made, follow it to its end."""
        if len(self._path) == path_limit(self._conversation.id):
            self._show_earlier()
        for entry in self._path[:-1]:
            self._show_entry(entry, is_last=False)
        if self._path:
            self._show_entry(self._path[-1], is_last=True)

    def _show_earlier(self) -> None:
        owner, conversation_id = self._conversation.owner, self._conversation.id
        hidden = self._messages.path_length(owner, conversation_id) - len(self._path)
        if hidden <= 0:
            return
        label = plural(
            "Show earlier turns ({count} message)", "Show earlier turns ({count} messages)", hidden
        )
        if st.button(label, icon=":material/expand_less:", type="tertiary", key="show_earlier"):
            shown = st.session_state.setdefault(SHOWN_TURNS_KEY, {})
            shown[conversation_id] = path_limit(conversation_id) // 2 + TURNS_AT_ONCE
            st.rerun()

    def _show_entry(self, entry: PathEntry, *, is_last: bool) -> None:
        message = entry.message
        if message.role == "user":
            self._show_question(entry, is_last=is_last)
            return
        running = self._services.answers.get(message.id) if message.state == "running" else None
        with st.chat_message("assistant"):
            if running is None:
                self._show_answer(entry, is_last=is_last)
                return
            if running.is_done:
                _show_unsaved(running.snapshot())
                return
            draw_until_done(running, partial(self._services.models.state, running.request.model))
        st.rerun()  # draw it once more from the history, with its facts

    # Questions.

    def _show_question(self, entry: PathEntry, *, is_last: bool) -> None:
        message = entry.message
        with st.chat_message("user"):
            if st.session_state.get(EDITING_KEY) == message.id:
                self._edit(message)
                return
            with st.container(horizontal=True, wrap=False, gap="small"):
                with st.container():
                    _show_plain(message.content)
                    self._show_versions(entry)
                if st.button(
                    _("Edit and ask again"),
                    icon=":material/edit:",
                    type="tertiary",
                    key=f"edit_{message.id}",
                    help=_("Edit and ask again"),
                ):
                    st.session_state[EDITING_KEY] = message.id
                    st.rerun()
        if is_last:  # stored, but its answer never began: a full queue, or a server that ended
            st.caption(_("This question has no answer yet."))
            if st.button(_("Get an answer"), icon=":material/send:", key="get_answer"):
                self._then_redraw(lambda: answer(self._services, message, self._conversation, self._options))

    def _edit(self, message: StoredMessage) -> None:
        text = st.text_area(
            _("Edit your question"), message.content, key=f"edited_{message.id}", label_visibility="collapsed"
        )
        with st.container(horizontal=True):
            if st.button(_("Ask again"), type="primary", disabled=not text.strip()):
                self._ask_again(message, text)
            if st.button(_("Cancel")):
                st.session_state[EDITING_KEY] = None
                st.rerun()

    def _ask_again(self, message: StoredMessage, text: str) -> None:
        try:
            edited = store_edited(self._services, self._conversation, message, text)
        except GlmcoreError as error:  # the box with the text stays open
            st.error(error_text(error), icon=":material/error:")
            return
        st.session_state[EDITING_KEY] = None
        self._then_redraw(lambda: answer(self._services, edited, self._conversation, self._options))

    def _then_redraw(self, action: Callable[[], None]) -> None:
        """Do what a button is for and draw the page anew, which also says what refused it."""
        try:
            action()
        except GlmcoreError as error:
            st.session_state[NOTICE_KEY] = error
        st.rerun()

    # Answers.

    def _show_answer(self, entry: PathEntry, *, is_last: bool) -> None:
        message = entry.message
        if message.content:
            st.markdown(to_markdown(message.content))
        self._show_end(message)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            # What is not shown leaves an empty place: while a later answer streams, Streamlit keeps the
            # elements of the run before, faded, wherever this run has put nothing in their place.
            self._show_versions(entry)
            if is_last:
                self._show_actions(message)
            else:
                st.empty()
                st.empty()
            if message.facts is not None:
                st.caption(facts_line(message.facts), width="content")

    def _show_end(self, message: StoredMessage) -> None:
        facts = message.facts
        if message.state == "interrupted" and (facts is None or facts.stop_reason == StopReason.INTERRUPTED):
            st.caption(_("Interrupted: the server ended while this was written."))
        elif message.state == "failed":
            error = (
                error_text(GlmcoreError.from_dict(facts.error))
                if facts and facts.error
                else _("The answer failed.")
            )
            st.error(error, icon=":material/error:")
        elif message.state == "running":
            st.caption(_("Being written by another server."))

    def _show_actions(self, message: StoredMessage) -> None:
        if st.button(
            _("Answer again"),
            icon=":material/refresh:",
            type="tertiary",
            key="regenerate",
            help=_("Answer again; this version is kept"),
        ):
            self._then_redraw(lambda: self._regenerate(message))
        if not can_continue(message):
            st.empty()
        elif st.button(_("Continue"), icon=":material/arrow_forward:", type="tertiary", key="continue"):
            self._then_redraw(
                lambda: continue_answer(self._services, self._conversation, message, self._options)
            )

    def _regenerate(self, message: StoredMessage) -> None:
        question = self._messages.get(self._conversation.owner, message.parent_id or "")
        answer(self._services, question, self._conversation, self._options)

    def _show_versions(self, entry: PathEntry) -> None:
        """◀ 2/3 ▶ between the versions of a message."""
        versions = entry.sibling_ids
        if len(versions) < 2:
            st.empty()
            return
        with st.container(horizontal=True, width="content", gap="xsmall", vertical_alignment="center"):
            self._draw_versions(entry, versions)

    def _draw_versions(self, entry: PathEntry, versions: tuple[str, ...]) -> None:
        at = versions.index(entry.message.id)
        for icon, target, name in (("chevron_left", at - 1, "previous"), ("chevron_right", at + 1, "next")):
            if name == "next":
                st.caption(f"{at + 1}/{len(versions)}", width="content")
            is_there = 0 <= target < len(versions)
            help_text = _("Previous version") if name == "previous" else _("Next version")
            key = f"{name}_{entry.message.id}"
            if st.button(
                help_text,
                icon=f":material/{icon}:",
                type="tertiary",
                key=key,
                disabled=not is_there,
                help=help_text,
            ):
                self._messages.select_sibling(self._conversation.owner, versions[target])
                st.rerun()


def _show_unsaved(answer: Snapshot) -> None:
    """An answer that has ended but could not be stored yet."""
    st.markdown(to_markdown(answer.text))
    if answer.facts is not None and answer.facts.error:
        st.warning(error_text(GlmcoreError.from_dict(answer.facts.error)), icon=":material/warning:")


def _show_plain(text: str) -> None:
    """What a person typed, as typed; the middle of a very long text is left out of the page only."""
    if len(text) > LONG_QUESTION_CHARACTERS:
        hidden = len(text) - LONG_QUESTION_CHARACTERS
        st.text(text[:LONG_QUESTION_CHARACTERS] + " …")
        st.caption(
            plural("{count} more character is not shown", "{count} more characters are not shown", hidden)
        )
    else:
        st.text(text)


def can_continue(message: StoredMessage) -> bool:
    """Whether an answer ended before the model had said everything."""
    cut = (StopReason.LENGTH, StopReason.CANCELLED, StopReason.INTERRUPTED)
    if message.facts is None:
        return message.state == "interrupted"
    return bool(message.content) and message.facts.stop_reason in cut


def facts_line(facts: AnswerFacts) -> str:
    """Model and adapter, tokens, time to first token, speed and why it stopped, in one line."""
    made_by = [facts.model, *([short_name(facts.adapter, facts.model)] if facts.adapter else [])]
    parts = [plain(" + ".join(made_by)), plural("{count} token", "{count} tokens", facts.completion_tokens)]
    if facts.seconds_to_first_token is not None:
        parts.append(_("first after {seconds:.2f} s", seconds=facts.seconds_to_first_token))
    if facts.tokens_per_second is not None:
        parts.append(_("{speed:.1f} tokens/s", speed=facts.tokens_per_second))
    parts.append(stop_text(facts.stop_reason))
    if facts.turns_left_out:
        parts.append(
            plural("{count} oldest turn left out", "{count} oldest turns left out", facts.turns_left_out)
        )
    return " · ".join(parts)


def stop_text(reason: StopReason) -> str:
    return {
        StopReason.END: _("complete"),
        StopReason.LENGTH: _("cut at the token limit"),
        StopReason.STOP_STRING: _("ended at a stop text"),
        StopReason.CANCELLED: _("stopped"),
        StopReason.INTERRUPTED: _("interrupted"),
        StopReason.ERROR: _("failed"),
    }[reason]
