"""What a person does to a conversation: ask, edit, regenerate, continue.

Each stores first, then starts the answer.
"""

from dataclasses import dataclass

from glmcore.chat.running_answer import RunningAnswer
from glmcore.core.errors import ConflictError, EngineError, GlmcoreError
from glmcore.core.messages import AnswerFacts, ChatRequest, GenerationParams, Message, StopReason
from glmcore.history import Conversation, HistoryStore, StoredMessage
from glmcore.server.stored_answer import StoredAnswer
from glmcore.ui.services import Services


@dataclass(frozen=True)
class AnswerOptions:
    """With what an answer is to be made: the model, what stands in the sidebar, the adapter, the engine."""

    model: str
    params: GenerationParams
    system_prompt: str
    adapter: str | None = None
    engine: str | None = None  # None: the automatic one


def store_question(
    services: Services,
    owner: str,
    conversation_id: str | None,
    text: str,
    options: AnswerOptions,
    *,
    seen: Conversation | None = None,
) -> tuple[Conversation, StoredMessage]:
    """Store a question at the end of a conversation, or of a new one; `answer` it next.

    Args:
        seen: the conversation as the asker saw it; without it the question follows whatever is last.

    Raises:
        EngineError: an answer is being written there, so the question would follow half of it.
        ConflictError: the conversation does not end any more where it was seen to end.
    """
    history = services.history
    if conversation_id is None:
        conversation = history.conversations.create(
            owner, model=options.model, system_prompt=options.system_prompt, params=options.params
        )
    else:
        conversation = history.conversations.get(owner, conversation_id)
        if services.answers.get(conversation.leaf_id or "") is not None:
            raise EngineError(
                "An answer is being written in this conversation, asked for in another window perhaps; "
                "stop it or wait for its end, then ask."
            )
    follows = (seen or conversation).leaf_id
    question = history.messages.add_question(
        owner, conversation.id, follows, text, must_be_latest=seen is not None
    )
    return conversation, question


def check_unchanged(seen: Conversation, now: Conversation) -> None:
    """Refuse to do to a conversation what was meant for another state of it.

    Raises:
        ConflictError: it does not end any more where it was seen to end.
    """
    if seen.leaf_id != now.leaf_id:
        raise ConflictError(
            "This conversation went on in another window since you looked at it; nothing was done. "
            "Read what is new, then try again."
        )


def store_edited(
    services: Services, conversation: Conversation, question: StoredMessage, text: str
) -> StoredMessage:
    """Store an edited question as another version of it; `answer` it next."""
    messages = services.history.messages
    return messages.add_question(conversation.owner, conversation.id, question.parent_id, text)


def answer(
    services: Services, question: StoredMessage, conversation: Conversation, options: AnswerOptions
) -> None:
    """Start an answer to a stored question: the first one, or another version."""
    _start(services, conversation, parent=question, options=options, text="")


def continue_answer(
    services: Services, conversation: Conversation, cut: StoredMessage, options: AnswerOptions
) -> None:
    """Go on where an answer was cut off, as another version that starts with its text."""
    question = services.history.messages.get(conversation.owner, cut.parent_id or "")
    _start(services, conversation, parent=question, options=options, text=cut.content)


def _start(
    services: Services,
    conversation: Conversation,
    *,
    parent: StoredMessage,
    options: AnswerOptions,
    text: str,
) -> RunningAnswer:
    owner, history = conversation.owner, services.history
    history.conversations.update(
        owner,
        conversation.id,
        model=options.model,
        system_prompt=options.system_prompt,
        params=options.params,
    )
    services.answers.check_room()
    request = ChatRequest(
        messages=_messages(history, conversation, parent, options.system_prompt, text),
        params=options.params,
        model=options.model,
        adapter=options.adapter,
        user=owner,
        engine=options.engine,
    )
    stored = history.messages.start_answer(owner, conversation.id, parent.id, content=text)
    sink = StoredAnswer(history, owner, stored.id)
    try:
        return services.answers.start(stored.id, request, sink, text=text)
    except GlmcoreError as error:
        facts = AnswerFacts(
            model=options.model,
            adapter=options.adapter,
            params=options.params,
            stop_reason=StopReason.ERROR,
            error=error.to_dict(),
        )
        sink.finish(text, facts)
        raise


def _messages(
    history: HistoryStore, conversation: Conversation, last: StoredMessage, system_prompt: str, begun: str
) -> tuple[Message, ...]:
    """The branch up to a question as the engine wants it, with the beginning of an answer to be continued."""
    messages = [Message("system", system_prompt)] if system_prompt.strip() else []
    for entry in history.messages.path(conversation.owner, conversation.id, leaf_id=last.id):
        message = Message(entry.message.role, entry.message.content)
        if message.role == "user" and messages and messages[-1].role == "user":
            messages.pop()  # its answer failed; many chat templates refuse two questions in a row
        if message.content:
            messages.append(message)
    return (*messages, Message("assistant", begun)) if begun else tuple(messages)
