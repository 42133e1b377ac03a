"""A part of a long branch around one message: which messages, on which branch, and what it costs."""

import pytest

from glmcore.core.errors import NotFoundError
from glmcore.history import Conversation, HistoryStore, PathWindow, StoredMessage
from tests.postgres import only_sqlite

OWNER = "ann"


def chain(
    store: HistoryStore, talk: Conversation, *texts: str, after: str | None = None
) -> list[StoredMessage]:
    made: list[StoredMessage] = []
    for text in texts:
        after = made[-1].id if made else after
        made.append(store.messages.add_question(OWNER, talk.id, after, text))
    return made


def window(
    store: HistoryStore, talk: Conversation, message: StoredMessage, before: int, after: int
) -> PathWindow:
    return store.messages.window(OWNER, talk.id, message.id, before=before, after=after)


def texts(found: PathWindow) -> list[str]:
    return [entry.message.content for entry in found.entries]


def test_window_holds_what_is_around_the_message(store: HistoryStore, talk: Conversation) -> None:
    made = chain(store, talk, *"0123456789")
    found = window(store, talk, made[5], 2, 3)
    assert (texts(found), found.num_earlier, found.has_later) == (list("345678"), 3, True)
    at_the_start = window(store, talk, made[1], 4, 1)
    assert (texts(at_the_start), at_the_start.num_earlier) == (list("012"), 0)
    at_the_end = window(store, talk, made[8], 1, 4)
    assert (texts(at_the_end), at_the_end.has_later) == (list("789"), False)
    alone = window(store, talk, made[9], 0, 0)
    assert (texts(alone), alone.num_earlier, alone.has_later) == (["9"], 9, False)


def test_window_follows_the_shown_branch_where_it_forks(store: HistoryStore, talk: Conversation) -> None:
    made = chain(store, talk, *"0123")
    chain(store, talk, "other 2", "other 3", after=made[1].id)
    assert texts(window(store, talk, made[0], 0, 9)) == ["0", "1", "other 2", "other 3"]
    store.messages.select_sibling(OWNER, made[2].id)
    found = window(store, talk, made[0], 0, 9)
    assert texts(found) == list("0123")
    assert len(found.entries[2].sibling_ids) == 2


def test_window_on_another_branch_goes_to_its_youngest_end_and_changes_nothing(
    store: HistoryStore, talk: Conversation
) -> None:
    made = chain(store, talk, *"01")
    first = chain(store, talk, "first", after=made[1].id)[0]
    chain(store, talk, "second", after=made[1].id)
    late = chain(store, talk, "late", after=first.id)[0]
    shown = chain(store, talk, "elsewhere")[0]
    assert texts(window(store, talk, made[1], 1, 9)) == ["0", "1", "first", "late"]
    assert store.messages.leaf_through(OWNER, talk.id, made[1].id) == late.id
    assert store.messages.leaf_through(OWNER, talk.id, shown.id) == shown.id
    assert store.conversations.get(OWNER, talk.id).leaf_id == shown.id


def test_message_of_another_conversation_or_owner_has_no_window(
    store: HistoryStore, talk: Conversation
) -> None:
    here = chain(store, talk, "0")[0]
    other = store.conversations.create(OWNER, model="m")
    for owner, conversation_id, message_id in (
        (OWNER, other.id, here.id),
        ("bob", talk.id, here.id),
        (OWNER, talk.id, "\x00' OR 1=1"),
        (OWNER, "none", here.id),
    ):
        with pytest.raises(NotFoundError):
            store.messages.window(owner, conversation_id, message_id, before=1, after=1)
        with pytest.raises(NotFoundError):
            store.messages.leaf_through(owner, conversation_id, message_id)


@only_sqlite
def test_window_far_up_a_long_conversation_costs_only_the_window(
    store: HistoryStore, long_talk: Conversation, thousands_of_steps: list[int]
) -> None:
    found = store.messages.window(OWNER, long_talk.id, "1000", before=20, after=40)
    assert [entry.message.id for entry in found.entries] == [str(number) for number in range(980, 1041)]
    assert (found.num_earlier, found.has_later) == (980, True)
    assert 0 < len(thousands_of_steps) < 20
