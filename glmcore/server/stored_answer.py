"""Answers on their way into the history, whoever asked for them."""

from collections.abc import Sequence

from glmcore.chat.answers import AnswerRegistry
from glmcore.core.messages import AnswerFacts
from glmcore.history import HistoryStore
from glmcore.history.bulk import running_answers


class StoredAnswer:
    """An `AnswerSink` that keeps an answer in the history."""

    def __init__(self, history: HistoryStore, owner: str, message_id: str) -> None:
        self._messages, self._owner, self._message_id = history.messages, owner, message_id

    def save_text(self, text: str) -> None:
        self._messages.save_text(self._owner, self._message_id, text)

    def finish(self, text: str, facts: AnswerFacts) -> None:
        self._messages.finish_answer(self._owner, self._message_id, text, facts)


def end_answers(
    history: HistoryStore, answers: AnswerRegistry, owner: str, conversation_ids: Sequence[str]
) -> None:
    """End what is being written in conversations that are about to go."""
    for message_id in running_answers(history.database, owner, conversation_ids):
        if (running := answers.get(message_id)) is not None:
            running.cancel()
