"""Conversations read whole, one after the other."""

import pytest

from glmcore.history import ConversationFilter, HistoryStore, whole
from glmcore.history.whole import whole_conversations
from tests.history.conftest import OWNER

EVERY = ConversationFilter(shelf=None)


def talks(store: HistoryStore, count: int) -> list[str]:
    ids = [store.conversations.create(OWNER, model="tiny", title=str(n)).id for n in range(count)]
    for each in ids[1:]:
        store.messages.add_question(OWNER, each, None, "Why?")
    return ids


def test_long_conversations_come_alone_and_none_is_left_out(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "CHARACTERS_AT_ONCE", 1)
    ids = talks(store, 5)
    found = list(whole_conversations(store.database, OWNER, EVERY, at_once=3))
    assert [each.conversation.id for each in found] == ids
    assert [len(each.messages) for each in found] == [0, 1, 1, 1, 1]


def test_what_is_deleted_while_others_are_read_is_left_out_but_not_what_is_archived(
    store: HistoryStore,
) -> None:
    ids = talks(store, 4)
    reading = whole_conversations(store.database, OWNER, ConversationFilter(), at_once=1)
    first = next(reading)
    store.conversations.put_on(OWNER, [ids[1]], "archived")
    store.conversations.put_on(OWNER, [ids[2]], "deleted")
    assert [each.conversation.id for each in (first, *reading)] == [ids[0], ids[1], ids[3]]
