"""What is done to all conversations that a filter means."""

from glmcore.history import Conversation, ConversationFilter, HistoryStore
from glmcore.history.bulk import pin_all, running_answers, shelves_of
from tests.history.conftest import OWNER

EVERY = ConversationFilter(shelf=None)


def test_conversations_are_told_with_their_shelves(store: HistoryStore, talk: Conversation) -> None:
    archived = store.conversations.create(OWNER, model="tiny")
    store.conversations.put_on(OWNER, [archived.id], "archived")
    store.conversations.create("bob", model="tiny")
    assert shelves_of(store.database, OWNER, EVERY) == {talk.id: "open", archived.id: "archived"}


def test_more_conversations_than_one_query_takes_are_pinned_and_unpinned(store: HistoryStore) -> None:
    ids = [store.conversations.create(OWNER, model="tiny").id for _ in range(3)]
    pin_all(store.database, OWNER, [*ids[:2], *map(str, range(1200))], True)
    assert store.conversations.count(OWNER, ConversationFilter(is_pinned=True)) == 2
    pin_all(store.database, OWNER, ids, False)
    assert store.conversations.count(OWNER, ConversationFilter(is_pinned=True)) == 0


def test_pinning_changes_the_version_of_those_that_were_not_pinned(
    store: HistoryStore, talk: Conversation
) -> None:
    for _ in range(2):
        pin_all(store.database, OWNER, [talk.id], True)
    pin_all(store.database, "bob", [talk.id], False)
    now = store.conversations.get(OWNER, talk.id)
    assert now.is_pinned and now.version == talk.version + 1


def test_deleted_conversations_are_not_pinned(store: HistoryStore, talk: Conversation) -> None:
    store.conversations.delete(OWNER, talk.id)
    pin_all(store.database, OWNER, [talk.id], True)
    (deleted,) = store.conversations.page(OWNER, ConversationFilter(shelf="deleted"))
    assert not deleted.conversation.is_pinned


def test_answers_that_are_being_written_are_found_by_their_conversations(
    store: HistoryStore, talk: Conversation
) -> None:
    question = store.messages.add_question(OWNER, talk.id, None, "Why?").id
    answer = store.messages.start_answer(OWNER, talk.id, question).id
    assert running_answers(store.database, OWNER, [talk.id, "gone"]) == [answer]
    assert running_answers(store.database, OWNER, ["gone"]) == []
    assert running_answers(store.database, "bob", [talk.id]) == []
