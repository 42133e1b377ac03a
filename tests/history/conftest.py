"""A store on a fresh SQLite file, and a conversation in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import Conversation, HistoryStore, open_history

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
def facts() -> AnswerFacts:
    params = GenerationParams(temperature=0.5, seed=7, stop=("###",))
    return AnswerFacts(
        model="tiny", stop_reason=StopReason.END, params=params, completion_tokens=3, seconds=0.25
    )
