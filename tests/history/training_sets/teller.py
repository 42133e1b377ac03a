"""Conversations told in few words, and what is made of them."""

from typing import Any

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import HistoryStore, Judgement, StoredMessage
from glmcore.history.training_sets import Preview, TrainingSetChoice, preview

OWNER = "ann"
UNDIVIDED = {"validation": 0.0, "test": 0.0}


class Teller:
    """Puts conversations into a store."""

    def __init__(self, store: HistoryStore) -> None:
        self.store = store

    def ask(self, text: str, after: StoredMessage | None = None, system: str = "") -> StoredMessage:
        """A question after an answer, or the first one of a new conversation."""
        if after is not None:
            return self.store.messages.add_question(OWNER, after.conversation_id, after.id, text)
        talk = self.store.conversations.create(OWNER, model="tiny", system_prompt=system)
        return self.store.messages.add_question(OWNER, talk.id, None, text)

    def answer(
        self, question: StoredMessage, text: str, stop: StopReason = StopReason.END, **judged: Any
    ) -> StoredMessage:
        answer = self.store.messages.start_answer(OWNER, question.conversation_id, question.id)
        facts = AnswerFacts(model="tiny", stop_reason=stop, params=GenerationParams())
        self.store.messages.finish_answer(OWNER, answer.id, text, facts)
        if judged:
            self.store.judgements.judge(OWNER, Judgement(message_id=answer.id, **judged))
        return answer

    def preview(self, **choice: Any) -> Preview:
        return preview(self.store, OWNER, TrainingSetChoice(**{**UNDIVIDED, **choice}), num_rows=50)

    def rows(self, **choice: Any) -> list[list[str]]:
        """The rows that come of it, each as what is said in it, in turn."""
        return [[each.content for each in row.messages] for row in self.preview(**choice).rows]
