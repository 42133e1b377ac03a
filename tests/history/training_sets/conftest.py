"""A store in memory, as what is made of conversations does not depend on where they are kept."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from glmcore.history import HistoryStore, StoredMessage, open_temporary
from tests.history.training_sets.teller import Teller


@pytest.fixture
def store() -> Iterator[HistoryStore]:
    store = open_temporary()
    yield store
    store.close()


@pytest.fixture
def teller(store: HistoryStore) -> Teller:
    return Teller(store)


@pytest.fixture
def tell(teller: Teller) -> Callable[..., StoredMessage]:
    """A conversation of one turn; gives its answer."""

    def told(question: str, text: str, **judged: Any) -> StoredMessage:
        return teller.answer(teller.ask(question), text, **judged)

    return told
