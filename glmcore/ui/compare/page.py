"""The comparison from top to bottom: who answers, the questions with both answers, the next question."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from glmcore.core.errors import GlmcoreError, NotFoundError
from glmcore.history import Conversation
from glmcore.ui import chat_page
from glmcore.ui.asking import AnswerOptions
from glmcore.ui.compare.address import Address, put_address, read_address
from glmcore.ui.compare.exchange import Column, OptionsFor, answer_all, ask_both, open_column, stop_all
from glmcore.ui.compare.pickers import (
    DRAFT_KEY,
    current_seed,
    next_seed,
    put_seed,
    read_choice,
    show_pickers,
)
from glmcore.ui.compare.rows import STYLE, show_rows
from glmcore.ui.compare.sides import Side
from glmcore.ui.compare.suggestions import suggested_questions
from glmcore.ui.engine_picker import chosen_engine
from glmcore.ui.markdown import plain
from glmcore.ui.model_panel import show_load_state
from glmcore.ui.parameters import SYSTEM_PROMPT_KEY, are_untouched, put_params, show_parameters
from glmcore.ui.services import Services, services
from glmcore.ui.session import CHAT_PAGE, CONVERSATION_PARAM, OWNER
from glmcore.ui.style import WIDE_STYLE
from glmcore.ui.text import _, error_text

QUESTION_KEY, MARKS_KEY = "compare_question", "compare_marks"
RESTORED_KEY, DEFAULTS_KEY, NOTICE_KEY = "compare_restored", "compare_defaults", "compare_notice"

Conversations = tuple[Conversation | None, Conversation | None]  # of the left and the right column


def show() -> None:
    st.html(WIDE_STYLE)
    st.html(STYLE)
    shared = services()
    question = st.session_state.get(QUESTION_KEY)  # an input that is drawn disabled drops it
    address, stored = _open_address(shared)
    choice = read_choice(shared, address, stored)
    columns = [open_column(shared, choice.side(at), choice.title(at), stored[at]) for at in (0, 1)]
    _restore_parameters(shared, stored, choice.model)
    st.title(_("Compare"))
    show_pickers(shared, choice, _last_question(columns))
    options_for = _show_sidebar(shared)
    _show_load_states(shared, choice.model, columns)
    _show_bottom(shared, columns, options_for)
    if question and question.strip():
        _ask(shared, address, columns, question, options_for)
    _show_notice(keep=any(column.is_answering for column in columns))
    if any(stored):
        show_rows(columns, is_marked=bool(st.session_state.get(MARKS_KEY)))
        _show_links(columns)
    else:
        _show_welcome(shared, address, columns, options_for)


def _open_address(shared: Services) -> tuple[Address, Conversations]:
    """The address with its conversations; one that is not there is said, and left out of it."""
    address = read_address()
    left, right = _open(shared, address.base), _open(shared, address.tuned)
    there = replace(address, base=left.id if left else None, tuned=right.id if right else None)
    if there != address:
        put_address(there)
    return there, (left, right)


def _open(shared: Services, conversation_id: str | None) -> Conversation | None:
    if conversation_id is None:
        return None
    try:
        return shared.history.conversations.get(OWNER, conversation_id)
    except NotFoundError as error:
        st.session_state[NOTICE_KEY] = error
        return None


def _last_question(columns: Sequence[Column]) -> str:
    return next((column.last_question.content for column in columns if column.last_question), "")


def _restore_parameters(shared: Services, stored: Conversations, model: str) -> None:
    """Opening a comparison brings its parameters back, once; a new one starts with the model's own."""
    opened = [conversation.id for conversation in stored if conversation]
    params = next((each.params for each in stored if each and each.params), None)
    if opened and st.session_state.get(RESTORED_KEY) != opened and params is not None:
        put_params(params, next(each.system_prompt for each in stored if each))
        put_seed(params)
        st.session_state[chat_page.RESTORED_KEY] = RESTORED_KEY  # the chat has to bring its own back
    st.session_state[RESTORED_KEY] = opened
    engine = shared.models.ready_engine(model, chosen_engine(shared, model))
    if engine is not None and not opened and st.session_state.get(DEFAULTS_KEY) != model:
        st.session_state[DEFAULTS_KEY] = model
        if are_untouched():
            put_params(engine.default_params, st.session_state.get(SYSTEM_PROMPT_KEY, ""))


def _show_sidebar(shared: Services) -> OptionsFor:
    """The chat's parameters; how a side is to be asked with them and the seed of this page."""
    with st.sidebar, st.expander(_("Parameters"), icon=":material/tune:", expanded=True):
        params, system_prompt = show_parameters(shared)
    seeded = replace(params, seed=current_seed())

    def options_for(side: Side) -> AnswerOptions:
        engine = chosen_engine(shared, side.model)
        return AnswerOptions(side.model, seeded, system_prompt, side.adapter, engine)

    return options_for


def _show_load_states(shared: Services, model: str, columns: Sequence[Column]) -> None:
    models = dict.fromkeys([model, *(column.side.model for column in columns if column.side)])
    with st.container():  # the same place in every run
        for name in models:
            show_load_state(shared, name, chosen_engine(shared, name))


def _show_bottom(shared: Services, columns: Sequence[Column], options_for: OptionsFor) -> None:
    is_answering = any(column.is_answering for column in columns)
    can_ask = all(column.side for column in columns)
    if DRAFT_KEY in st.session_state:
        st.session_state[QUESTION_KEY] = st.session_state.pop(DRAFT_KEY)
    with st.bottom, st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        if is_answering:
            st.button(
                _("Stop"),
                icon=":material/stop_circle:",
                key="compare_stop",
                on_click=stop_all,
                args=(columns,),
            )
        elif _last_question(columns):
            st.toggle(_("Mark differences"), key=MARKS_KEY, persist_state="session")
            _show_again(shared, columns, options_for, is_disabled=not can_ask)
    placeholder = _("An answer is being written") if is_answering else _("Ask both the same question")
    # Not inside st.bottom, where it comes by itself: only then does the page follow growing answers.
    st.chat_input(
        placeholder if can_ask else _("Choose two to compare"),
        key=QUESTION_KEY,
        disabled=is_answering or not can_ask,
    )


def _show_again(
    shared: Services, columns: Sequence[Column], options_for: OptionsFor, *, is_disabled: bool
) -> None:
    first = next((column.side for column in columns if column.side), None)
    is_greedy = first is not None and options_for(first).params.is_greedy
    if st.button(
        _("Ask again with another seed"),
        icon=":material/refresh:",
        key="compare_again",
        disabled=is_disabled or is_greedy,
        on_click=next_seed,
        help=_("At temperature 0 the likeliest word is always taken, whatever the seed.")
        if is_greedy
        else _("The answers so far are kept as versions: open the conversations in the chat to see them."),
    ):
        st.session_state[NOTICE_KEY] = answer_all(shared, columns, options_for)
        st.rerun()


def _ask(
    shared: Services, address: Address, columns: Sequence[Column], question: str, options_for: OptionsFor
) -> None:
    try:
        stored = ask_both(shared, columns, question, options_for)
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        st.caption(_("Your question was not stored; here it is to copy:"))
        st.code(question, language=None, wrap_lines=True)
        st.session_state[DRAFT_KEY] = question
        return
    asked = [
        open_column(shared, column.side, column.title, shared.history.conversations.get(OWNER, found.id))
        for column, found in zip(columns, stored, strict=True)
    ]
    # Before any use of `st`, which may end this run.
    refused = answer_all(shared, asked, options_for)
    st.session_state[NOTICE_KEY] = refused
    st.session_state[RESTORED_KEY] = [
        found.id for found in stored
    ]  # the sliders stand as the person set them
    put_address(replace(address, base=stored[0].id, tuned=stored[1].id))
    st.rerun()


def _show_notice(*, keep: bool) -> None:
    """What went wrong in the run before this one; kept for those that follow by themselves."""
    error = st.session_state.get(NOTICE_KEY)
    if error is not None:
        st.warning(error_text(error), icon=":material/warning:")
    if not keep:
        st.session_state[NOTICE_KEY] = None


def _show_links(columns: Sequence[Column]) -> None:
    for area, column in zip(st.columns(len(columns)), columns, strict=True):
        if column.conversation is not None:
            area.page_link(
                CHAT_PAGE,
                label=_("Open {name} in the chat", name=plain(column.title)),
                icon=":material/chat:",
                query_params={CONVERSATION_PARAM: column.conversation.id},
            )


def _show_welcome(
    shared: Services, address: Address, columns: Sequence[Column], options_for: OptionsFor
) -> None:
    if not all(column.side for column in columns):
        st.info(_("Choose what is to answer: a model as it was, or one of the adapters tuned on it."))
        return
    st.caption(_("One question goes to both, with the same parameters and the same seed."))
    suggestions = suggested_questions(shared, columns[1].side.name if columns[1].side else "")
    with st.container():
        chosen = [
            text
            for at, text in enumerate(suggestions)
            if st.button(plain(text), key=f"compare_suggestion_{at}", type="tertiary")
        ]
    if chosen:
        _ask(shared, address, columns, chosen[0], options_for)
