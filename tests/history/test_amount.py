"""How much text there is, before somebody fetches it."""

from glmcore.history import Conversation, ConversationFilter, HistoryStore
from glmcore.history.amount import Amount, amount
from tests.history.conftest import OWNER

EVERY = ConversationFilter()


def test_all_versions_are_counted_in_bytes(store: HistoryStore, talk: Conversation) -> None:
    first = store.messages.add_question(OWNER, talk.id, None, "微调\\x")
    store.messages.add_question(OWNER, talk.id, None, "abc")
    store.conversations.create("bob", model="tiny")
    assert first.content == "微调\\x"
    assert amount(store.database, OWNER, EVERY) == Amount(2, 6 + 2 + 3)


def test_nothing_weighs_nothing(store: HistoryStore) -> None:
    assert amount(store.database, OWNER, EVERY) == Amount(0, 0)


def test_much_text_is_estimated(store: HistoryStore, long_talk: Conversation) -> None:
    chosen = ConversationFilter(ids=(long_talk.id,))
    assert amount(store.database, OWNER, chosen) == Amount(10_000, 10_000 * 500)
