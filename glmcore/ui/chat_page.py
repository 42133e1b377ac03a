"""The chat page: conversation list and sliders in the sidebar, the conversation, the question."""

import streamlit as st

from glmcore.chat.answers import RunningAnswer
from glmcore.core.errors import GlmcoreError, NotFoundError
from glmcore.core.messages import AnswerFacts, GenerationParams
from glmcore.history import Conversation, PathEntry
from glmcore.models import list_models, stored_params
from glmcore.ui.adapter_picker import ADAPTER_KEY, NONE, pick_adapter, show_missing
from glmcore.ui.asking import AnswerOptions, answer, store_question
from glmcore.ui.conversation_list import show_conversations
from glmcore.ui.model_panel import MODEL_KEY, pick_model, show_load_state
from glmcore.ui.parameters import are_untouched, is_prompt_untouched, put_params, show_parameters
from glmcore.ui.services import Services, services
from glmcore.ui.session import NOTICE_KEY, OWNER, go_to, open_conversation_id
from glmcore.ui.text import _, error_text
from glmcore.ui.transcript import Transcript, path_limit

RESTORED_KEY = "restored_conversation"
DEFAULTS_KEY = "defaults_of_model"
QUESTION_KEY = "question"
DRAFT_KEY = "draft"  # a question that could not be stored, for the input box of the next run
PICKER_WIDTH = 400  # pixels; an adapter is named with its folders and its method


def show() -> None:
    shared = services()
    question = st.session_state.get(QUESTION_KEY)  # an input that is drawn disabled drops it
    conversation = _open_conversation(shared)
    path, running = _read(shared, conversation)
    last_adapter = _last_adapter(path, running)
    _restore_parameters(conversation, last_adapter)
    model, adapter = _show_header(shared, conversation, path, last_adapter)
    params, system_prompt = _show_sidebar(shared, conversation, model, is_answering=running is not None)
    options = AnswerOptions(model, params, system_prompt, adapter)
    with st.container():  # the same place in every run, or the rest of the page would be drawn beside itself
        if running is None:
            show_load_state(shared, model)
        else:
            st.empty()  # the answer that waits for the model shows it
    _show_bottom(running)
    if question and question.strip():
        _ask(shared, conversation, question, options)
    _show_notice(keep=running is not None)
    if conversation is None:
        _show_welcome(shared, options)
    else:
        Transcript(shared, conversation, path, options).show()
        if running is not None:  # it ended before it was drawn
            st.rerun()


def _open_conversation(shared: Services) -> Conversation | None:
    """The conversation that the address names; a wrong address is said and leads to a new chat."""
    conversation_id = open_conversation_id()
    if conversation_id is None:
        return None
    try:
        return shared.history.conversations.get(OWNER, conversation_id)
    except NotFoundError as error:
        st.session_state[NOTICE_KEY] = error
        go_to(None)
        return None


def _read(
    shared: Services, conversation: Conversation | None
) -> tuple[list[PathEntry], RunningAnswer | None]:
    """The shown branch, and the answer at its end while it is being made."""
    if conversation is None:
        return [], None
    limit = path_limit(conversation.id)
    path = shared.history.messages.path(OWNER, conversation.id, limit=limit)
    running = _running_answer(shared, path)
    if running is None and path and path[-1].message.state == "running":
        # It was stored between the reading and now, or another server writes it; reading again tells which.
        path = shared.history.messages.path(OWNER, conversation.id, limit=limit)
        running = _running_answer(shared, path)
    return path, running


def _last_adapter(path: list[PathEntry], running: RunningAnswer | None) -> str | None:
    """The adapter of the latest answer, which is the conversation's."""
    if running is not None:
        return running.request.adapter
    facts = _last_facts(path)
    return facts.adapter if facts is not None else None


def _last_facts(path: list[PathEntry]) -> AnswerFacts | None:
    return next((entry.message.facts for entry in reversed(path) if entry.message.facts), None)


def _restore_parameters(conversation: Conversation | None, adapter: str | None) -> None:
    """Opening a conversation brings parameters, model and adapter back, once; a new chat leaves them behind.

    What a person has set stays, in a new chat too.
    """
    conversation_id = conversation.id if conversation else None
    if st.session_state.get(RESTORED_KEY) == conversation_id:
        return
    st.session_state[RESTORED_KEY] = conversation_id
    if conversation is not None:
        put_params(conversation.params or GenerationParams(), conversation.system_prompt)
        st.session_state[MODEL_KEY] = conversation.model
        st.session_state[ADAPTER_KEY] = adapter or NONE
    elif are_untouched() and is_prompt_untouched():
        put_params(GenerationParams(), "")
        st.session_state[DEFAULTS_KEY] = None  # the model's own follow


def _show_header(
    shared: Services, conversation: Conversation | None, path: list[PathEntry], last_adapter: str | None
) -> tuple[str, str | None]:
    """Pickers and notes; gives the chosen model and adapter."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width=PICKER_WIDTH):
            model = pick_model(shared, conversation.model if conversation else None)
            is_the_conversations = conversation is not None and conversation.model == model
            adapter = pick_adapter(shared, model, last_adapter if is_the_conversations else None)
        _show_context_meter(shared, model, path)
    engine = shared.models.ready_engine(model)
    for note in engine.notes if engine else ():
        st.caption(_(note.template, **note.values))
    show_missing(shared, adapter)
    return model, adapter


def _show_context_meter(shared: Services, model: str, path: list[PathEntry]) -> None:
    """How much of the model's window the conversation fills, by the last answer's own count."""
    engine = shared.models.ready_engine(model)
    facts = _last_facts(path)
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
        show_conversations(shared, conversation.id if conversation else None, is_answering=is_answering)
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


def _running_answer(shared: Services, path: list[PathEntry]) -> RunningAnswer | None:
    if not path or path[-1].message.state != "running":
        return None
    running = shared.answers.get(path[-1].message.id)
    return running if running is not None and not running.is_done else None


def _show_bottom(running: RunningAnswer | None) -> None:
    if DRAFT_KEY in st.session_state:
        st.session_state[QUESTION_KEY] = st.session_state.pop(DRAFT_KEY)
    if running is not None:
        with st.bottom, st.container(horizontal=True, horizontal_alignment="right"):
            st.button(_("Stop"), icon=":material/stop_circle:", on_click=running.cancel, key="stop")
    # Not inside st.bottom, where it comes by itself: only then does the page follow a growing answer.
    placeholder = _("Ask a question") if running is None else _("An answer is being written")
    st.chat_input(placeholder, key=QUESTION_KEY, disabled=running is not None)


def _ask(shared: Services, conversation: Conversation | None, question: str, options: AnswerOptions) -> None:
    try:
        stored_in, stored = store_question(
            shared, OWNER, conversation.id if conversation else None, question, options
        )
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
    go_to(stored_in.id)
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
        _ask(shared, None, chosen[0], options)
