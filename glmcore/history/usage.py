"""What was answered, counted by hour, model and adapter while it happens; it outlives the conversations."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from glmcore.core.messages import AnswerFacts
from glmcore.history.schema import messages, usage
from glmcore.storage.database import Database

HOUR = 3600  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageHour:
    """What one model answered in one hour.

    Attributes:
        start: of the hour, in seconds since 1970.
        adapter: None for none.
        conversations: that had no answer in this hour before; one that goes on counts again in the next.
        seconds: that the answers took together.
    """

    start: float
    model: str
    adapter: str | None
    conversations: int
    answers: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class UsageStore:
    """Reads what was counted for an owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hours(self, owner: str, since: float = 0.0, until: float | None = None) -> Sequence[UsageHour]:
        """The hours that lie in a time, those at its two ends included; in their order."""
        table = usage.c
        counted = table.conversations, table.answers, table.prompt_tokens, table.completion_tokens
        query = select(table.hour, table.model, table.adapter, *counted, table.seconds)
        query = query.where(table.owner == owner, table.hour >= int(since // HOUR))
        if until is not None:
            query = query.where(table.hour < math.ceil(until / HOUR))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.hour, table.model, table.adapter)).all()
        return [
            UsageHour(
                **{name: value for name, value in row._mapping.items() if name not in ("hour", "adapter")},
                start=float(row.hour * HOUR),
                adapter=row.adapter or None,
            )
            for row in rows
        ]


def record(
    connection: Connection, owner: str, conversation_id: str, facts: AnswerFacts, when: float | None = None
) -> None:
    """Count an answer that has ended, in the transaction that stores it."""
    hour = int((time.time() if when is None else when) // HOUR)
    table = usage.c
    here = (
        table.owner == owner,
        table.hour == hour,
        table.model == facts.model,
        table.adapter == (facts.adapter or ""),
    )
    counts = {
        "conversations": int(_is_first(connection, owner, conversation_id, hour)),
        "answers": 1,
        "prompt_tokens": facts.prompt_tokens,
        "completion_tokens": facts.completion_tokens,
        "seconds": facts.seconds,
    }
    more = {name: table[name] + count for name, count in counts.items()}
    if connection.execute(usage.update().where(*here).values(more)).rowcount == 0:
        named = {"owner": owner, "hour": hour, "model": facts.model, "adapter": facts.adapter or ""}
        connection.execute(usage.insert().values(named | counts))


def _is_first(connection: Connection, owner: str, conversation_id: str, hour: int) -> bool:
    """Whether the conversation had no other answer that ended in this hour."""
    answers = select(func.count()).where(
        messages.c.owner == owner,
        messages.c.conversation_id == conversation_id,
        messages.c.role == "assistant",
        messages.c.state != "running",
        messages.c.saved_at >= hour * HOUR,
        messages.c.saved_at < (hour + 1) * HOUR,
    )
    return connection.execute(answers).scalar_one() <= 1
