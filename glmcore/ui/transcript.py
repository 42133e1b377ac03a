"""Draws a conversation: the latest turns at once, older ones on demand, with versions, facts and actions."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import streamlit as st

from glmcore.chat.running_answer import Snapshot
from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import StopReason
from glmcore.history import Conversation, Judgement, PathEntry, StoredMessage
from glmcore.history.branching import branch_into_new
from glmcore.ui.asking import AnswerOptions, answer, check_unchanged, continue_answer, store_edited
from glmcore.ui.chat.facts import can_continue, facts_line
from glmcore.ui.chat.judging import open_dialog, show_text, show_thumbs, summary
from glmcore.ui.chat.place import enter, shown_temporary
from glmcore.ui.chat.view import SCROLLED, View, show_earlier, show_later
from glmcore.ui.live_answer import draw_until_done
from glmcore.ui.markdown import to_markdown
from glmcore.ui.services import Services
from glmcore.ui.session import NOTICE_KEY
from glmcore.ui.text import _, error_text, plural

LONG_QUESTION_CHARACTERS = 20_000
EDITING_KEY = "editing"


class Transcript:
    """One conversation on the page."""

    def __init__(
        self,
        services: Services,
        conversation: Conversation,
        view: View,
        options: AnswerOptions,
        *,
        seen: Conversation,
    ) -> None:
        """`seen` is the conversation as this tab drew it last: what is clicked was meant for that."""
        self._services, self._conversation, self._view, self._options = services, conversation, view, options
        self._seen = seen
        self._messages = services.history.messages
        self._is_answering = bool(view.path) and services.answers.get(view.path[-1].message.id) is not None
        self._judgements = services.history.judgements.of(
            conversation.owner, [entry.message.id for entry in view.path if entry.message.role == "assistant"]
        )

    def show(self) -> None:
        """Draw the branch that is open; when its answer is still being made, follow it to its end."""
        show_earlier(self._view, self._conversation)
        for entry in self._view.path:
            is_last = entry.message.id == self._view.leaf_id
            is_found = entry.message.id == self._view.found_id
            key = SCROLLED if entry.message.id == self._view.scroll_to else None
            with st.container(border=is_found, key=key) if is_found or key else nullcontext():
                self._show_entry(entry, is_last=is_last)
        show_later(self._view, self._conversation)

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
            request = running.request
            draw_until_done(running, partial(self._services.models.state, request.model, request.engine))
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
            if shown_temporary() is None and st.button(
                _("Branch from here"), icon=":material/call_split:", key=f"branch_{message.id}"
            ):
                st.session_state[EDITING_KEY] = None
                self._branch(message)
            if st.button(_("Cancel")):
                st.session_state[EDITING_KEY] = None
                st.rerun()

    def _ask_again(self, message: StoredMessage, text: str) -> None:
        try:
            check_unchanged(self._seen, self._conversation)
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
        else:
            enter(self._conversation.id)  # at its end, where the new answer is
        st.rerun()

    def _branch(self, message: StoredMessage) -> None:
        try:
            made = branch_into_new(
                self._services.history, self._conversation.owner, self._conversation.id, message.id
            )
        except GlmcoreError as error:
            st.session_state[NOTICE_KEY] = error
        else:
            enter(made.id)
        st.rerun()

    # Answers.

    def _show_answer(self, entry: PathEntry, *, is_last: bool) -> None:
        message = entry.message
        judgement = self._judgements.get(message.id, Judgement(message_id=message.id))
        if message.content or judgement.repair:
            show_text(message, judgement)
        _show_end(message)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            # What is not shown leaves an empty place: while a later answer streams, Streamlit keeps the
            # elements of the run before, faded, wherever this run has put nothing in their place.
            self._show_versions(entry)
            if is_last:
                self._show_actions(message)
            else:
                st.empty()
                st.empty()
            if message.state == "running":
                st.empty()
                st.empty()
            else:
                show_thumbs(self._services.history, judgement)
                self._show_menu(message, judgement)
            told = [facts_line(message.facts)] if message.facts is not None else []
            told += [judged] if (judged := summary(judgement)) else []
            if told:
                st.caption(" · ".join(told), width="content")

    def _show_menu(self, message: StoredMessage, judgement: Judgement) -> None:
        actions = {"judge": _("Judge, or write the ideal answer")}
        if shown_temporary() is None:
            actions["branch"] = _("Branch from here")
        chosen = st.menu_button(
            _("More"),
            list(actions),
            format_func=lambda name: actions[name],
            icon=":material/more_horiz:",
            type="tertiary",
            key=f"answer_menu_{message.id}",
            disabled=self._is_answering,  # a dialog would not be served before the answer is drawn
        )
        if chosen == "judge":
            open_dialog(self._services.history, message, judgement)
        elif chosen == "branch":
            self._branch(message)

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
            self._then_redraw(lambda: self._continue(message))

    def _continue(self, message: StoredMessage) -> None:
        check_unchanged(self._seen, self._conversation)
        continue_answer(self._services, self._conversation, message, self._options)

    def _regenerate(self, message: StoredMessage) -> None:
        check_unchanged(self._seen, self._conversation)
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
                self._show_version(versions[target])

    def _show_version(self, message_id: str) -> None:
        """At a message that was found nothing is changed by looking around."""
        if self._view.found_id is None:
            self._messages.select_sibling(self._conversation.owner, message_id)
        else:
            enter(self._conversation.id, message_id)
        st.rerun()


def _show_end(message: StoredMessage) -> None:
    """How an answer ended, where not as it should."""
    facts = message.facts
    if message.state == "interrupted" and (facts is None or facts.stop_reason == StopReason.INTERRUPTED):
        st.caption(_("Interrupted: the server ended while this was written."))
    elif message.state == "failed":
        stored = facts.error if facts is not None else None
        error = error_text(GlmcoreError.from_dict(stored)) if stored else _("The answer failed.")
        st.error(error, icon=":material/error:")
    elif message.state == "running":
        st.caption(_("Being written by another server."))


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
