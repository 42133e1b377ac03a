"""Tags of conversations."""

import pytest

from glmcore.core.errors import ConflictError, DataError
from glmcore.history import Conversation, ConversationFilter, HistoryStore
from tests.history.conftest import OWNER


def test_tags_are_set_counted_and_found(store: HistoryStore, talk: Conversation) -> None:
    other = store.conversations.create(OWNER, model="tiny")
    store.tags.set(OWNER, talk.id, ["  big   fish ", "big fish", "教学"])
    store.tags.add(OWNER, [other.id, talk.id, "gone"], "教学")
    assert store.tags.of(OWNER, talk.id) == ("big fish", "教学")
    assert store.tags.counts(OWNER) == {"big fish": 1, "教学": 2}
    assert store.conversations.count(OWNER, ConversationFilter(tags=("big fish", "教学"))) == 1
    store.tags.take_away(OWNER, [talk.id], "教学")
    assert store.tags.of(OWNER, talk.id) == ("big fish",)


def test_tags_that_were_changed_elsewhere_are_not_overwritten(
    store: HistoryStore, talk: Conversation
) -> None:
    store.tags.add(OWNER, [talk.id], "first")
    with pytest.raises(ConflictError, match="changed in another window"):
        store.tags.set(OWNER, talk.id, ["second"], seen_version=talk.version)
    assert store.tags.of(OWNER, talk.id) == ("first",)


def test_tags_of_others_and_of_deleted_conversations_stay_as_they_are(
    store: HistoryStore, talk: Conversation
) -> None:
    store.tags.set(OWNER, talk.id, ["mine"])
    store.tags.add("bob", [talk.id], "his")
    store.conversations.delete(OWNER, talk.id)
    store.tags.add(OWNER, [talk.id], "late")
    store.tags.take_away(OWNER, [talk.id], "mine")
    assert store.tags.of(OWNER, talk.id) == ("mine",) and store.tags.counts(OWNER) == {}


@pytest.mark.parametrize("name", ["", " \t", "x" * 41])
def test_a_tag_without_letters_or_with_too_many_is_refused(store: HistoryStore, name: str) -> None:
    with pytest.raises(DataError, match="expected 1 to 40"):
        store.tags.add(OWNER, [], name)
