"""What was answered, counted by hour, model and adapter while it happens; it outlives the conversations."""

import time

from sqlalchemy import Connection, func, select

from glmcore.core.messages import AnswerFacts
from glmcore.history.schema import messages, usage

HOUR = 3600  # seconds


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
