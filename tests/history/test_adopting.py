"""A temporary conversation that is kept after all."""

import pytest

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import AnswerFacts
from glmcore.history import ConversationFilter, HistoryStore, Judgement, open_temporary
from glmcore.history.adopting import adopt
from glmcore.history.whole import whole_conversations

OWNER = "ann"


def whole(store: HistoryStore) -> list[object]:
    return list(whole_conversations(store.database, OWNER, ConversationFilter()))


def test_conversation_is_taken_over_with_all_that_belongs_to_it(
    store: HistoryStore, facts: AnswerFacts
) -> None:
    temporary = open_temporary()
    talk = temporary.conversations.create(OWNER, model="tiny", params=facts.params)
    question = temporary.messages.add_question(OWNER, talk.id, None, "什么是损失？")
    for text in ("first", "second"):
        answer = temporary.messages.start_answer(OWNER, talk.id, question.id)
        temporary.messages.finish_answer(OWNER, answer.id, text, facts)
    temporary.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=1, repair="ideal"))
    temporary.tags.add(OWNER, [talk.id], "kept")
    store.conversations.create(OWNER, model="tiny", title="there before")
    adopt(temporary, store, OWNER, talk.id)
    assert whole(temporary)[0] in whole(store)
    assert len(store.messages.path(OWNER, talk.id)[-1].sibling_ids) == 2
    store.messages.add_question(OWNER, talk.id, answer.id, "and it goes on")


def test_what_is_not_there_is_not_adopted(store: HistoryStore) -> None:
    temporary = open_temporary()
    talk = temporary.conversations.create(OWNER, model="tiny")
    with pytest.raises(NotFoundError):
        adopt(temporary, store, "bob", talk.id)
    assert whole(store) == []
