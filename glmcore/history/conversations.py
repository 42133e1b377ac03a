"""Conversations of an owner, without their messages."""

import time
import uuid
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, func, select

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.history.records import Conversation
from glmcore.history.schema import conversations
from glmcore.storage.database import Database

AUTOMATIC_TITLE_CHARS = 60
TITLE_CHARS = 200

_COLUMNS = [conversations.c[field.name] for field in fields(Conversation)]


class ConversationStore:
    """Every method finds the owner's conversations only; for any other it raises `NotFoundError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        owner: str,
        *,
        model: str,
        title: str = "",
        system_prompt: str = "",
        params: GenerationParams | None = None,
    ) -> Conversation:
        now = time.time()
        values = {
            "id": uuid.uuid4().hex,
            "owner": owner,
            "title": one_line(title, TITLE_CHARS),
            "model": model,
            "system_prompt": system_prompt,
            "params": params,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.writing() as connection:
            stored = connection.execute(conversations.insert().values(values).returning(*_COLUMNS)).one()
        return _conversation(stored)

    def list(self, owner: str, *, limit: int = 30, offset: int = 0) -> "list[Conversation]":
        """The conversations used last come first."""
        query = (
            select(*_COLUMNS)
            .where(conversations.c.owner == owner)
            .order_by(conversations.c.updated_at.desc(), conversations.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        with self._database.reading() as connection:
            return [_conversation(row) for row in connection.execute(query)]

    def count(self, owner: str) -> int:
        query = select(func.count()).select_from(conversations).where(conversations.c.owner == owner)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def get(self, owner: str, conversation_id: str) -> Conversation:
        query = select(*_COLUMNS).where(conversations.c.owner == owner, conversations.c.id == conversation_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise no_conversation(conversation_id)
        return _conversation(row)

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        self._change(owner, conversation_id, {"title": one_line(title, TITLE_CHARS)})

    def update(
        self,
        owner: str,
        conversation_id: str,
        *,
        model: str | None = None,
        system_prompt: str | None = None,
        params: GenerationParams | None = None,
    ) -> None:
        """Change how the next questions are answered; None leaves a value as it is."""
        values = {"model": model, "system_prompt": system_prompt, "params": params}
        self._change(
            owner, conversation_id, {name: value for name, value in values.items() if value is not None}
        )

    def delete(self, owner: str, conversation_id: str) -> None:
        """Delete a conversation with all its messages."""
        deletion = conversations.delete().where(
            conversations.c.owner == owner, conversations.c.id == conversation_id
        )
        with self._database.writing() as connection:
            if connection.execute(deletion).rowcount == 0:
                raise no_conversation(conversation_id)

    def _change(self, owner: str, conversation_id: str, values: dict[str, Any]) -> None:
        change = conversations.update().where(
            conversations.c.owner == owner, conversations.c.id == conversation_id
        )
        # Setting the owner to itself lets a change of nothing still tell whether the conversation exists.
        with self._database.writing() as connection:
            if connection.execute(change.values(owner=owner, **values)).rowcount == 0:
                raise no_conversation(conversation_id)


def one_line(text: str, limit: int) -> str:
    """The first line that is not blank, with single spaces, cut with an ellipsis at `limit` characters."""
    # What is looked at is bounded, since a pasted question may have megabytes.
    lines = text.lstrip()[: limit * 10].splitlines()
    line = " ".join(lines[0].split()) if lines else ""
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def no_conversation(conversation_id: str) -> NotFoundError:
    return NotFoundError(
        "There is no conversation {id!r} of yours (any more); choose another one from the list.",
        id=conversation_id,
    )


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(**row._mapping)
