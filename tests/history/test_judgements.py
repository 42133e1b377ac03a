from dataclasses import replace
from typing import Any

import pytest

from glmcore.core.errors import ConflictError, DataError, NotFoundError
from glmcore.history import Conversation, ConversationFilter, HistoryStore, Judgement, StoredMessage
from glmcore.history.judgements import COMMENT_CHARS, REPAIR_CHARS, checked, is_down

OWNER = "ann"


@pytest.fixture
def answer(store: HistoryStore, talk: Conversation) -> StoredMessage:
    question = store.messages.add_question(OWNER, talk.id, None, "What is 2 + 2?")
    return store.messages.start_answer(OWNER, talk.id, question.id, content="It is 5.")


def test_an_answer_that_nobody_judged_has_an_empty_judgement(
    store: HistoryStore, answer: StoredMessage
) -> None:
    assert store.judgements.get(OWNER, answer.id) == Judgement(message_id=answer.id)
    assert store.judgements.of(OWNER, [answer.id, "nothing"]) == {}


def test_a_judgement_comes_back_whole(store: HistoryStore, answer: StoredMessage) -> None:
    said = Judgement(
        message_id=answer.id, thumb=-1, stars=2, reason="wrong_facts", comment=" 错了 ", repair="It is 4."
    )
    stored = store.judgements.judge(OWNER, said)
    assert stored == replace(said, comment="错了", judged_at=stored.judged_at, version=stored.version)
    assert stored.version > 0 and stored.judged_at > 0
    assert store.judgements.get(OWNER, answer.id) == stored
    assert store.judgements.of(OWNER, [answer.id]) == {answer.id: stored}
    assert store.messages.get(OWNER, answer.id).content == "It is 5."
    listed = store.conversations.page(OWNER, ConversationFilter(ratings=("repaired",)))
    assert [(each.num_down, each.num_repaired, each.best_stars) for each in listed] == [(1, 1, 2)]


def test_a_judgement_of_another_window_is_not_overwritten(store: HistoryStore, answer: StoredMessage) -> None:
    first = store.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=1))
    with pytest.raises(ConflictError, match="judged in another window"):
        store.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=-1))
    second = store.judgements.judge(OWNER, replace(first, stars=5))
    with pytest.raises(ConflictError):
        store.judgements.judge(OWNER, replace(first, thumb=None))
    assert store.judgements.get(OWNER, answer.id) == second


def test_a_judgement_without_values_is_removed_and_its_version_does_not_come_back(
    store: HistoryStore, answer: StoredMessage
) -> None:
    first = store.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=1))
    assert store.judgements.judge(OWNER, replace(first, thumb=None)).version == 0
    assert store.conversations.count(OWNER, ConversationFilter(ratings=("unrated",))) == 1
    store.judgements.judge(OWNER, Judgement(message_id=answer.id, stars=1))
    with pytest.raises(ConflictError):
        store.judgements.judge(OWNER, first)


def test_a_repair_that_changes_nothing_is_none() -> None:
    for repair in ("", "  \n", "It is 5.", " It is 5.\n"):
        kept = checked(Judgement(message_id="a", thumb=1, comment=" ", repair=repair), "It is 5.")
        assert (kept.repair, kept.comment) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"thumb": 0},
        {"thumb": True},
        {"stars": 6},
        {"stars": 0},
        {"stars": 4.0},
        {"reason": "because"},
        {"thumb": 1, "reason": "wrong_facts"},
        {"comment": "x" * (COMMENT_CHARS + 1)},
        {"repair": "x" * (REPAIR_CHARS + 1)},
    ],
)
def test_a_value_that_there_is_not_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="of a judgement"):
        checked(Judgement(message_id="a", **wrong), "It is 5.")


def test_only_answers_of_ones_own_are_judged(store: HistoryStore, answer: StoredMessage) -> None:
    assert answer.parent_id is not None
    with pytest.raises(DataError, match="Only answers"):
        store.judgements.judge(OWNER, Judgement(message_id=answer.parent_id, thumb=1))
    with pytest.raises(NotFoundError):
        store.judgements.judge("bob", Judgement(message_id=answer.id, thumb=1))
    store.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=1))
    assert store.judgements.of("bob", [answer.id]) == {}


def test_a_judgement_goes_with_its_conversation(store: HistoryStore, answer: StoredMessage) -> None:
    stored = store.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=1))
    store.conversations.delete(OWNER, answer.conversation_id)
    with pytest.raises(NotFoundError):
        store.judgements.judge(OWNER, replace(stored, stars=3))
    store.conversations.remove(OWNER, [answer.conversation_id])
    assert store.judgements.of(OWNER, [answer.id]) == {}


def test_a_reason_tells_a_bad_answer_where_no_thumb_does() -> None:
    assert is_down(Judgement(message_id="a", reason="wrong_facts"))
    assert is_down(Judgement(message_id="a", thumb=-1))
    assert not is_down(Judgement(message_id="a", thumb=1, stars=1))
