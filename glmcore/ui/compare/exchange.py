"""Two conversations that are asked the same: stored first, then answered, as one is in the chat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glmcore.chat.running_answer import RunningAnswer
from glmcore.core.errors import GlmcoreError
from glmcore.history import Conversation, StoredMessage
from glmcore.ui.asking import AnswerOptions, answer, store_question
from glmcore.ui.chat.view import path_limit
from glmcore.ui.compare.sides import Side
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER

OptionsFor = Callable[[Side], AnswerOptions]


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the answer that is shown for it."""

    question: StoredMessage | None = None
    answer: StoredMessage | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One conversation of the two, as it is now; `side` None: what answered in it cannot any more."""

    side: Side | None
    title: str
    conversation: Conversation | None = None
    turns: tuple[Turn, ...] = ()
    running: RunningAnswer | None = None  # makes the last answer

    @property
    def is_answering(self) -> bool:
        return self.running is not None and not self.running.is_done

    @property
    def last_question(self) -> StoredMessage | None:
        return self.turns[-1].question if self.turns else None


def open_column(
    services: Services, side: Side | None, title: str, conversation: Conversation | None
) -> Column:
    """Read a conversation as it is now."""
    if conversation is None:
        return Column(side, title)
    messages = _read(services, conversation)
    running = None
    if messages and messages[-1].state == "running":
        running = services.answers.get(messages[-1].id)
        if running is None:  # stored between the reading and now, or another server writes it
            messages = _read(services, conversation)
    return Column(side, title, conversation, _turns(messages), running)


def ask_both(
    services: Services, columns: Sequence[Column], text: str, options: OptionsFor
) -> list[Conversation]:
    """Store a question in both conversations, begun where there is none; `answer_all` it next.

    Raises:
        EngineError: an answer is being written in one of them.
        StorageError: it could not be stored.
    """
    stored_in = []
    for column in columns:
        assert column.side is not None, "there is nothing to ask"
        open_id = column.conversation.id if column.conversation else None
        conversation, _question = store_question(services, OWNER, open_id, text, options(column.side))
        if open_id is None:  # both would have the question as their title
            conversations = services.history.conversations
            title = conversations.get(OWNER, conversation.id).title
            conversations.rename(OWNER, conversation.id, f"{column.title}: {title}")
        stored_in.append(conversation)
    return stored_in


def answer_all(services: Services, columns: Sequence[Column], options: OptionsFor) -> GlmcoreError | None:
    """Start an answer to the last question of each, or another version of it; what was refused, if anything.

    One that is refused does not keep the other from answering.
    """
    refused: GlmcoreError | None = None
    for column in columns:
        if column.side is None or column.conversation is None or column.last_question is None:
            continue
        try:
            answer(services, column.last_question, column.conversation, options(column.side))
        except GlmcoreError as error:
            refused = error
    return refused


def stop_all(columns: Sequence[Column]) -> None:
    for column in columns:
        if column.running is not None:
            column.running.cancel()


def _read(services: Services, conversation: Conversation) -> list[StoredMessage]:
    path = services.history.messages.path(OWNER, conversation.id, limit=path_limit(conversation.id))
    return [entry.message for entry in path]


def _turns(messages: Sequence[StoredMessage]) -> tuple[Turn, ...]:
    """Questions with their answers; one whose answer never began stands alone."""
    turns: list[Turn] = []
    for message in messages:
        if message.role == "user":
            turns.append(Turn(message))
        elif turns and turns[-1].answer is None:
            turns[-1] = Turn(turns[-1].question, message)
        else:  # the first of what is read, whose question is not
            turns.append(Turn(None, message))
    return tuple(turns)
