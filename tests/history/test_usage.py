"""What was answered, read back by hours."""

import pytest

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import HistoryStore, usage
from glmcore.history.usage import HOUR, UsageStore
from tests.history.conftest import OWNER


def count(store: HistoryStore, when: float, owner: str = OWNER, **values: object) -> None:
    facts = AnswerFacts(
        stop_reason=StopReason.END,
        params=GenerationParams(),
        **{"model": "tiny", "prompt_tokens": 10, "completion_tokens": 3, "seconds": 0.5, **values},
    )
    with store.database.writing() as connection:
        usage.record(connection, owner, "some conversation", facts, when)


def test_answers_of_an_hour_are_one_row_per_model_and_adapter(store: HistoryStore) -> None:
    for when in (7.0, 9.0):
        count(store, when)
    count(store, 8.0, model="other", adapter="mine")
    tiny, other = sorted(UsageStore(store.database).hours(OWNER), key=lambda row: row.model, reverse=True)
    assert (tiny.start, tiny.model, tiny.adapter) == (0.0, "tiny", None)
    assert (tiny.answers, tiny.prompt_tokens, tiny.completion_tokens, tiny.seconds) == (2, 20, 6, 1.0)
    assert (other.model, other.adapter, other.answers, other.conversations) == ("other", "mine", 1, 1)


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (0, None, [0, 1, 5]),
        (HOUR, None, [1, 5]),
        (HOUR + 1, 5 * HOUR, [1]),  # an hour that has begun counts
        (0, HOUR, [0]),
        (0, 5 * HOUR + 1, [0, 1, 5]),
        (9 * HOUR, None, []),
    ],
)
def test_hours_of_a_time_in_their_order(store: HistoryStore, since, until, hours) -> None:
    for hour in (5, 0, 1):
        count(store, hour * HOUR + 60)
    found = UsageStore(store.database).hours(OWNER, since, until)
    assert [row.start / HOUR for row in found] == hours


def test_usage_of_others_is_not_told_and_outlives_conversations(store: HistoryStore, talk) -> None:
    count(store, 0.0)
    store.conversations.remove(OWNER, [talk.id])
    assert len(UsageStore(store.database).hours(OWNER)) == 1 and not UsageStore(store.database).hours("bob")
