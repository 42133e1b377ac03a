"""A branch that becomes a conversation of its own."""

import pytest

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import AnswerFacts, GenerationParams
from glmcore.history import Conversation, ConversationFilter, HistoryStore
from glmcore.history.branching import branch_into_new, count_branches
from tests.history.conftest import OWNER


def ask(store: HistoryStore, conversation: Conversation, facts: AnswerFacts, parent: str | None) -> str:
    """A question with its answer; gives the answer's id."""
    question = store.messages.add_question(OWNER, conversation.id, parent, "Why?").id
    answer = store.messages.start_answer(OWNER, conversation.id, question).id
    store.messages.finish_answer(OWNER, answer, "So.", facts)
    return answer


def texts(store: HistoryStore, conversation: Conversation) -> list[tuple[str, str]]:
    path = store.messages.path(OWNER, conversation.id)
    return [(entry.message.content, entry.message.state) for entry in path]


def test_a_branch_has_the_messages_up_to_the_one_that_was_chosen_and_its_settings(
    store: HistoryStore, facts: AnswerFacts
) -> None:
    old = store.conversations.create(
        OWNER, model="tiny", title="Old", system_prompt="Rhyme.", params=GenerationParams(seed=4)
    )
    first = ask(store, old, facts, None)
    ask(store, old, facts, first)
    new = branch_into_new(store, OWNER, old.id, first)
    assert texts(store, new) == [("Why?", "done"), ("So.", "done")]
    assert (new.model, new.system_prompt, new.params) == ("tiny", "Rhyme.", GenerationParams(seed=4))
    assert new.title == "↳ Old" and new.num_turns == 1
    assert len(texts(store, old)) == 4, "the old one stays as it is"


def test_both_go_on_by_themselves(store: HistoryStore, facts: AnswerFacts) -> None:
    old = store.conversations.create(OWNER, model="tiny")
    first = ask(store, old, facts, None)
    new = branch_into_new(store, OWNER, old.id, first)
    leaf = store.messages.path(OWNER, new.id)[-1].message.id
    store.messages.add_question(OWNER, new.id, leaf, "And?", must_be_latest=True)
    store.conversations.remove(OWNER, [old.id])
    assert [text for text, _state in texts(store, new)] == ["Why?", "So.", "And?"]


def test_an_answer_that_is_being_written_is_copied_as_one_that_was_interrupted(
    store: HistoryStore, talk: Conversation
) -> None:
    question = store.messages.add_question(OWNER, talk.id, None, "Why?").id
    answer = store.messages.start_answer(OWNER, talk.id, question, content="So f").id
    new = branch_into_new(store, OWNER, talk.id, answer)
    assert texts(store, new)[-1] == ("So f", "interrupted")


def test_nothing_is_branched_from_what_is_not_there(store: HistoryStore, talk: Conversation) -> None:
    question = store.messages.add_question(OWNER, talk.id, None, "Why?").id
    other = store.conversations.create(OWNER, model="tiny")
    for owner, conversation_id, message_id in (
        ("bob", talk.id, question),
        (OWNER, "gone", question),
        (OWNER, talk.id, "gone"),
        (OWNER, other.id, question),
    ):
        with pytest.raises(NotFoundError):
            branch_into_new(store, owner, conversation_id, message_id)
    assert store.conversations.count(OWNER, ConversationFilter(shelf=None)) == 2


def test_branches_are_counted_by_their_ends(store: HistoryStore, facts: AnswerFacts) -> None:
    talk = store.conversations.create(OWNER, model="tiny")
    assert count_branches(store, OWNER, talk.id) == 0
    first = ask(store, talk, facts, None)
    assert count_branches(store, OWNER, talk.id) == 1
    ask(store, talk, facts, first)
    ask(store, talk, facts, first)
    ask(store, talk, facts, None)
    assert count_branches(store, OWNER, talk.id) == 3
    assert count_branches(store, "bob", talk.id) == 0


@pytest.mark.slow
def test_a_branch_of_ten_thousand_messages_is_copied_whole(
    store: HistoryStore, long_talk: Conversation
) -> None:
    new = branch_into_new(store, OWNER, long_talk.id, "9999")
    assert store.messages.path_length(OWNER, new.id) == 10_000
