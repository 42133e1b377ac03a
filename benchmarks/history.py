"""The list and the opening of conversations: what a page costs, however much there is."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.report import Measurement, alternate
from glmcore.history import Conversation, HistoryStore, open_history
from glmcore.history.schema import conversations, messages

OWNER = "ann"
FEW, MANY, LARGE_BYTES = 100, 10_000, 36 << 20
LONG = 10_000  # messages of one conversation
PAGE, WINDOW = 30, 60  # conversations of a page of the list, messages of one that is open
ROUNDS = 30


def measure() -> Iterator[Measurement]:
    folder = Path(tempfile.mkdtemp())
    try:
        small, large = _history(folder, "small"), _history(folder, "large")
        _add_conversations(small, FEW)
        _add_conversations(large, MANY)
        _add_conversations(large, 1, content="字" * (LARGE_BYTES // 3))
        yield _first_page(small, large)
        short, long = _branch(small, WINDOW), _branch(small, LONG)
        yield _opening(small, short, long)
        small.close()
        large.close()
    finally:
        shutil.rmtree(folder)


def _history(folder: Path, name: str) -> HistoryStore:
    return open_history(f"sqlite:///{folder / name}.db")


def _add_conversations(store: HistoryStore, count: int, content: str = "a question") -> None:
    for number in range(count):
        conversation = store.conversations.create(OWNER, model="m", title=f"title {number}")
        store.messages.add_question(OWNER, conversation.id, None, content)


def _branch(store: HistoryStore, length: int) -> Conversation:
    conversation = store.conversations.create(OWNER, model="m", title="a branch")
    rows = [
        {
            "id": f"{length}-{number}",
            "owner": OWNER,
            "conversation_id": conversation.id,
            "parent_id": f"{length}-{number - 1}" if number else None,
            "depth": number + 1,
            "role": "assistant" if number % 2 else "user",
            "state": "done",
            "created_at": float(number),
            "saved_at": float(number),
            "content": "some words of it " * 30,
        }
        for number in range(length)
    ]
    with store.database.writing() as connection:
        connection.execute(messages.insert(), rows)
        one = conversations.update().where(conversations.c.id == conversation.id)
        connection.execute(one.values(leaf_id=f"{length}-{length - 1}", leaf_depth=length))
    return store.conversations.get(OWNER, conversation.id)


def _seconds(action: Callable[[], object]) -> Callable[[], float]:
    def measured() -> float:
        began = time.perf_counter()
        action()
        return time.perf_counter() - began

    return measured


def _first_page(small: HistoryStore, large: HistoryStore) -> Measurement:
    def open_list(store: HistoryStore) -> None:
        assert len(store.conversations.page(OWNER, limit=PAGE)) == PAGE
        assert store.conversations.count(OWNER) >= FEW

    few, many = alternate(ROUNDS, _seconds(lambda: open_list(small)), _seconds(lambda: open_list(large)))
    return Measurement(
        f"first page of {MANY} conversations / of {FEW}",
        many / few,
        f"{many * 1000:.2f} ms (one has {LARGE_BYTES >> 20} MB) / {few * 1000:.2f} ms, with the count",
        at_most=1.5,
    )


def _opening(store: HistoryStore, short: Conversation, long: Conversation) -> Measurement:
    def open_one(conversation: Conversation) -> None:
        assert len(store.messages.path(OWNER, conversation.id, limit=WINDOW)) == WINDOW

    brief, whole = alternate(ROUNDS, _seconds(lambda: open_one(short)), _seconds(lambda: open_one(long)))
    return Measurement(
        f"opening {LONG} messages / {WINDOW} messages",
        whole / brief,
        f"{whole * 1000:.2f} ms / {brief * 1000:.2f} ms, {WINDOW} messages shown",
        at_most=1.5,
    )
