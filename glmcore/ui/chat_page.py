"""The chat page: conversation list and sliders in the sidebar, the conversation, the question."""

from dataclasses import replace

import streamlit as st

from glmcore.chat.engine import ChatEngine
from glmcore.chat.running_answer import RunningAnswer
from glmcore.core.errors import ConflictError, GlmcoreError, NotFoundError
from glmcore.core.messages import AnswerFacts, GenerationParams
from glmcore.history import Conversation
from glmcore.models import list_models, stored_params
from glmcore.ui.adapter_picker import ADAPTER_KEY, NONE, pick_adapter, show_engine_of_adapter
from glmcore.ui.asking import AnswerOptions, answer, store_question
from glmcore.ui.chat.place import enter, found_id, open_id, shown_temporary
from glmcore.ui.chat.temporary import show_badge
from glmcore.ui.chat.usable import Usable, show_gone, usable
from glmcore.ui.chat.view import View, read_view, show_way_to_end
from glmcore.ui.conversation_list import show_conversations
from glmcore.ui.engine_picker import pick_engine
from glmcore.ui.model_panel import MODEL_KEY, pick_model, show_load_state
from glmcore.ui.parameters import are_untouched, is_prompt_untouched, put_params, show_parameters
from glmcore.ui.services import Services, services
from glmcore.ui.session import NOTICE_KEY, OWNER
from glmcore.ui.text import _, error_text
from glmcore.ui.transcript import Transcript

RESTORED_KEY = "restored_conversation"
DEFAULTS_KEY = "defaults_of_model"
QUESTION_KEY = "question"
SEEN_KEY = "seen_conversation"
DRAFT_KEY = "draft"  # a question that could not be stored, for the input box of the next run
PICKER_WIDTH = 400  # pixels; an adapter is named with its folders and its method


def show() -> None:
    stored = services()
    temporary = shown_temporary()
    shared = stored if temporary is None else replace(stored, history=temporary.history)
    question = st.session_state.get(QUESTION_KEY)  # an input that is drawn disabled drops it
    conversation = _open_conversation(shared)
    view, running = _read(shared, conversation)
    seen = _seen(conversation)
    last = usable(shared, conversation, _last_adapter(view, running))
    _restore_parameters(conversation, last)
    is_answering = running is not None
    show_badge(stored, is_answering=is_answering)
    model, adapter, engine = _show_header(shared, last, view)
    opened = conversation if temporary is None else None
    params, system_prompt = _show_sidebar(stored, opened, model, is_answering=is_answering)
    options = AnswerOptions(model, params, system_prompt, adapter, engine)
    with st.container():  # the same place in every run, or the rest of the page would be drawn beside itself
        if running is None:
            show_load_state(shared, model, engine)
        else:
            st.empty()  # the answer that waits for the model shows it
    _show_bottom(shared, conversation, view, running)
    if question and question.strip():
        _ask(shared, seen, view, question, options)
    _show_notice(keep=is_answering)
    if conversation is None:
        _show_welcome(shared, options)
    else:
        now = _as_drawn(conversation, view)
        st.session_state[SEEN_KEY] = now
        Transcript(shared, now, view, options, seen=seen or now).show()
        if running is not None:  # it ended before it was drawn
            st.rerun()


def _open_conversation(shared: Services) -> Conversation | None:
    """The conversation that the address names; a wrong address is said and leads to a new chat."""
    conversation_id = open_id()
    if conversation_id is None:
        return None
    try:
        return shared.history.conversations.get(OWNER, conversation_id)
    except NotFoundError as error:
        st.session_state[NOTICE_KEY] = error
        enter(None)
        return None


def _read(shared: Services, conversation: Conversation | None) -> tuple[View, RunningAnswer | None]:
    """What is drawn of the conversation, and the answer at its end while it is being made."""
    if conversation is None:
        return View(), None
    view = _read_view(shared, conversation)
    running = _running_answer(shared, view)
    if running is None and view.path and view.path[-1].message.state == "running":
        # It was stored between the reading and now, or another server writes it; reading again tells which.
        view = _read_view(shared, conversation)
        running = _running_answer(shared, view)
    return view, running


def _read_view(shared: Services, conversation: Conversation) -> View:
    try:
        return read_view(shared.history, conversation, found_id())
    except NotFoundError as error:  # the message has gone; the conversation is there
        if found_id() is None:
            raise
        st.session_state[NOTICE_KEY] = error
        enter(conversation.id)
        return read_view(shared.history, conversation, None)


def _as_drawn(conversation: Conversation, view: View) -> Conversation:
    """The conversation with the end that is drawn, which may be that of another branch than the shown one."""
    return replace(conversation, leaf_id=view.leaf_id or conversation.leaf_id)


def _seen(conversation: Conversation | None) -> Conversation | None:
    """The conversation as this tab drew it last, which is what was looked at before a click or a question."""
    seen: Conversation | None = st.session_state.get(SEEN_KEY)
    return seen if seen is not None and conversation is not None and seen.id == conversation.id else None


def _last_adapter(view: View, running: RunningAnswer | None) -> str | None:
    """The adapter of the latest answer, which is the conversation's."""
    if running is not None:
        return running.request.adapter
    facts = _last_facts(view)
    return facts.adapter if facts is not None else None


def _last_facts(view: View) -> AnswerFacts | None:
    return next((entry.message.facts for entry in reversed(view.path) if entry.message.facts), None)


def _restore_parameters(conversation: Conversation | None, last: Usable) -> None:
    """Opening a conversation brings parameters, model and adapter back, once; a new chat leaves them behind.

    What a person has set stays, in a new chat too.
    """
    conversation_id = conversation.id if conversation else None
    if st.session_state.get(RESTORED_KEY) == conversation_id:
        return
    st.session_state[RESTORED_KEY] = conversation_id
    if conversation is not None:
        put_params(conversation.params or GenerationParams(), conversation.system_prompt)
        st.session_state[MODEL_KEY] = last.model
        st.session_state[ADAPTER_KEY] = last.adapter or NONE
    elif are_untouched() and is_prompt_untouched():
        put_params(GenerationParams(), "")
        st.session_state[DEFAULTS_KEY] = None  # the model's own follow


def _show_header(shared: Services, last: Usable, view: View) -> tuple[str, str | None, str | None]:
    """Pickers and notes; gives the chosen model, adapter and engine."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=PICKER_WIDTH):
            model = pick_model(shared, last.model)
            adapter = pick_adapter(shared, model, last.adapter if last.model == model else None)
        kind = pick_engine(shared, model)
        engine = shared.models.ready_engine(model, kind)
        _show_context_meter(engine, view)
    for note in engine.notes if engine else ():
        st.caption(_(note.template, **note.values))
    show_engine_of_adapter(shared, model, adapter, kind)
    show_gone(last, model, adapter)
    return model, adapter, kind


def _show_context_meter(engine: ChatEngine | None, view: View) -> None:
    """How much of the model's window the conversation fills, by the last answer's own count."""
    facts = _last_facts(view)
    if engine is None or facts is None or not facts.prompt_tokens:
        return
    used = facts.prompt_tokens + facts.completion_tokens
    label = _("Context {used:,} of {window:,} tokens", used=used, window=engine.window)
    with st.container(width=240):
        st.progress(min(used / engine.window, 1.0), label)


def _show_sidebar(
    shared: Services, conversation: Conversation | None, model: str, *, is_answering: bool
) -> tuple[GenerationParams, str]:
    with st.sidebar:
        show_conversations(shared, conversation, is_answering=is_answering)
        with st.expander(_("Parameters"), icon=":material/tune:", expanded=True):
            _apply_model_defaults(shared, conversation, model)
            return show_parameters(shared)


def _apply_model_defaults(shared: Services, conversation: Conversation | None, model: str) -> None:
    """A new chat starts with the model's own defaults, unless the sliders have been moved."""
    engine = shared.models.ready_engine(model)
    known = (model, engine is not None)
    if conversation is not None or st.session_state.get(DEFAULTS_KEY) == known:
        return
    st.session_state[DEFAULTS_KEY] = known
    defaults = engine.default_params if engine is not None else _stored_params(shared, model)
    if defaults is not None and are_untouched():
        put_params(defaults, st.session_state.get("system_prompt", ""))


def _stored_params(shared: Services, model: str) -> GenerationParams | None:
    """The model's own sampling as its files say it, before it is loaded."""
    entry = next((entry for entry in list_models(shared.settings) if entry.name == model), None)
    return stored_params(entry) if entry is not None else None


def _running_answer(shared: Services, view: View) -> RunningAnswer | None:
    if not view.path or view.path[-1].message.state != "running":
        return None
    running = shared.answers.get(view.path[-1].message.id)
    return running if running is not None and not running.is_done else None


def _show_bottom(
    shared: Services, conversation: Conversation | None, view: View, running: RunningAnswer | None
) -> None:
    if DRAFT_KEY in st.session_state:
        st.session_state[QUESTION_KEY] = st.session_state.pop(DRAFT_KEY)
    placeholder = _("Ask a question")
    if running is not None:
        placeholder = _("An answer is being written")
        with st.bottom, st.container(horizontal=True, horizontal_alignment="right"):
            st.button(_("Stop"), icon=":material/stop_circle:", on_click=running.cancel, key="stop")
    elif conversation is not None and view.has_later:
        placeholder = _("These are earlier turns; go to the end to ask")
        with st.bottom, st.container(horizontal=True, horizontal_alignment="right"):
            show_way_to_end(view, conversation, shared.history)
    # Not inside st.bottom, where it comes by itself: only then does the page follow a growing answer.
    st.chat_input(placeholder, key=QUESTION_KEY, disabled=running is not None or view.has_later)


def _ask(
    shared: Services, seen: Conversation | None, view: View, question: str, options: AnswerOptions
) -> None:
    conversation_id = open_id()
    try:
        if view.found_id is not None and seen is not None and seen.leaf_id is not None:
            shared.history.messages.select_sibling(OWNER, seen.leaf_id)  # the branch that is looked at
        stored_in, stored = store_question(shared, OWNER, conversation_id, question, options, seen=seen)
    except ConflictError as error:
        st.session_state[NOTICE_KEY] = error
        st.session_state[DRAFT_KEY] = question
        st.rerun()
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        st.caption(_("Your question was not stored; here it is to copy:"))
        st.code(question, language=None, wrap_lines=True)
        st.session_state[DRAFT_KEY] = question
        return
    refused: GlmcoreError | None = None
    try:
        answer(shared, stored, stored_in, options)  # before any use of `st`, which may end this run
    except GlmcoreError as error:
        refused = error
    if refused is not None:
        st.session_state[NOTICE_KEY] = refused
    st.session_state[RESTORED_KEY] = stored_in.id  # the sliders stand as the person set them
    enter(stored_in.id)
    st.rerun()


def _show_notice(*, keep: bool) -> None:
    """What went wrong in the run before this one; kept for one that follows by itself, at an answer's end."""
    error = st.session_state.get(NOTICE_KEY)
    if error is not None:
        st.warning(error_text(error), icon=":material/warning:")
    if not keep:
        st.session_state[NOTICE_KEY] = None


def _show_welcome(shared: Services, options: AnswerOptions) -> None:
    st.subheader(_("What would you like to know?"))
    suggestions = (
        _("Explain what a loss curve tells about a training run."),
        _("Write a short poem about the sea."),
        _("Write a Python function that reverses a string."),
    )
    # Buttons and not pills: a pill stays chosen and would ask again when this is next drawn.
    with st.container(horizontal=True):
        chosen = [text for at, text in enumerate(suggestions) if st.button(text, key=f"suggestion_{at}")]
    if chosen:
        _ask(shared, None, View(), chosen[0], options)
