"""A store on a fresh database, and a conversation in it.

What asks for `url`, or for anything on it, runs once on SQLite and, with `make test-postgres`, on PostgreSQL.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import Conversation, HistoryStore, open_history
from glmcore.history.schema import conversations, messages
from tests.postgres import fresh_database

OWNER = "ann"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_file(tmp_path)
        return
    with fresh_database() as url:
        yield url


def sqlite_file(folder: Path) -> str:
    return f"sqlite:///{folder / 'glmcore.db'}"


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
    with store.database.writing() as connection:
        connection.execute(messages.insert(), rows)
        connection.execute(conversations.update().values(leaf_id=str(count - 1), leaf_depth=count))
    return store.conversations.get(OWNER, talk.id)


@pytest.fixture
def thousands_of_steps(store: HistoryStore) -> list[int]:
    """Grows by one for each thousand steps of SQLite's own machine, on the connection of the test."""
    steps: list[int] = []

    def count() -> int:
        steps.append(1000)
        return 0

    with store.database.reading() as connection:
        connection.connection.driver_connection.set_progress_handler(count, 1000)
    return steps


@pytest.fixture
def facts() -> AnswerFacts:
    params = GenerationParams(temperature=0.5, seed=7, stop=("###",))
    return AnswerFacts(
        model="tiny", stop_reason=StopReason.END, params=params, completion_tokens=3, seconds=0.25
    )
