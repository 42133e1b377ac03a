"""A store on a fresh SQLite file, and a conversation in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import Conversation, HistoryStore, open_history
from glmcore.history.schema import conversations, messages

OWNER = "ann"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'glmcore.db'}"


@pytest.fixture
def store(url: str) -> Iterator[HistoryStore]:
    store = open_history(url)
    yield store
    store.close()


@pytest.fixture
def talk(store: HistoryStore) -> Conversation:
    return store.conversations.create(OWNER, model="tiny")


@pytest.fixture
def long_talk(store: HistoryStore, talk: Conversation) -> Conversation:
    """A branch of 10,000 messages whose ids are their numbers from 0."""
    count = 10_000
    rows = [
        {
            "id": str(number),
            "owner": OWNER,
            "conversation_id": talk.id,
            "parent_id": str(number - 1) if number else None,
            "depth": number + 1,
            "role": "user",
            "state": "done",
            "created_at": 0.0,
            "saved_at": 0.0,
            "content": "text " * 100,
        }
        for number in range(count)
    ]
    with store._database.writing() as connection:
        connection.execute(messages.insert(), rows)
        connection.execute(conversations.update().values(leaf_id=str(count - 1)))
    return store.conversations.get(OWNER, talk.id)


@pytest.fixture
def facts() -> AnswerFacts:
    params = GenerationParams(temperature=0.5, seed=7, stop=("###",))
    return AnswerFacts(
        model="tiny", stop_reason=StopReason.END, params=params, completion_tokens=3, seconds=0.25
    )
