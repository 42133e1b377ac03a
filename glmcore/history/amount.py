"""How much text conversations hold, roughly, before somebody fetches or copies them."""

from dataclasses import dataclass

from sqlalchemy import LargeBinary, cast, func, select

from glmcore.history.filters import ConversationFilter, conditions
from glmcore.history.schema import conversations, messages
from glmcore.storage.database import Database

LOOKED_AT = 2000  # messages; of more the size is estimated from as many


@dataclass(frozen=True, slots=True)
class Amount:
    """`num_bytes` of their texts in UTF-8; an estimate where there are many messages."""

    num_messages: int
    num_bytes: int


def amount(database: Database, owner: str, chosen: ConversationFilter) -> Amount:
    """Count the messages of the conversations that are meant, in all their versions.

    Raises:
        DataError: the query `chosen.words` cannot be understood.
    """
    table = messages.c
    meant = table.conversation_id.in_(select(conversations.c.id).where(*conditions(owner, chosen)))
    # SQLite 3.40 counts characters, but of a blob bytes; PostgreSQL would take the cast for escapes.
    octets = func.length(cast(table.content, LargeBinary)) if database.is_sqlite else None
    size = func.octet_length(table.content) if octets is None else octets
    looked_at = select(size.label("size")).where(meant).limit(LOOKED_AT).subquery()
    with database.reading() as connection:
        counted = select(func.count()).select_from(messages).where(meant)
        num_messages = connection.execute(counted).scalar_one()
        num_bytes = connection.execute(select(func.sum(looked_at.c.size))).scalar_one() or 0
    return Amount(num_messages, round(int(num_bytes) * max(1, num_messages / LOOKED_AT)))
