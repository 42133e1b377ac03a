"""Conversations of an owner, without their messages: made, changed, put away, brought back, removed."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from glmcore.core.errors import ConflictError, NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.history import listing
from glmcore.history.filters import ConversationFilter
from glmcore.history.records import Conversation, ListedConversation, Shelf
from glmcore.history.schema import conversations
from glmcore.history.search.index import SearchText, add_texts, remove_conversations, replace_text
from glmcore.storage.database import Database

AUTOMATIC_TITLE_CHARS = 60
TITLE_CHARS = 200
REMOVED_AT_ONCE = 20
EVERY_OPEN = ConversationFilter()


class ConversationStore:
    """Every method finds the owner's conversations only; for any other it raises `NotFoundError`.

    Those on the shelf `deleted` are not there, but for `page`, `count`, `put_on` and `remove`.
    """

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
            insertion = conversations.insert().values(values).returning(*listing.COLUMNS)
            stored = connection.execute(insertion).one()
            if stored.title:
                add_texts(connection, [SearchText(owner, stored.id, None, stored.title)])
        return listing.read_conversation(stored)

    def list(self, owner: str, *, limit: int = 30, offset: int = 0) -> "list[Conversation]":
        """The open conversations: pinned ones first, then those used last."""
        with self._database.reading() as connection:
            return listing.conversations_of(connection, owner, EVERY_OPEN, "recent", limit, offset)

    def page(
        self,
        owner: str,
        chosen: ConversationFilter = EVERY_OPEN,
        *,
        order: listing.Order = "recent",
        limit: int = 30,
        offset: int = 0,
    ) -> Sequence[ListedConversation]:
        """One page of the conversations that are meant, with tags and judgements.

        Raises:
            DataError: the query `chosen.words` cannot be understood.
        """
        with self._database.reading() as connection:
            return listing.page(connection, owner, chosen, order, limit, offset)

    def count(self, owner: str, chosen: ConversationFilter = EVERY_OPEN) -> int:
        with self._database.reading() as connection:
            return listing.count(connection, owner, chosen)

    def models_used(self, owner: str) -> Sequence[tuple[str, str | None]]:
        """Model and adapter of the owner's conversations, each pair once, in the order of their names."""
        table = conversations.c
        query = select(table.model, table.adapter).where(table.owner == owner, table.shelf != "deleted")
        with self._database.reading() as connection:
            found = {(row.model, row.adapter) for row in connection.execute(query.distinct())}
        return sorted(found, key=lambda pair: (pair[0], pair[1] or ""))

    def get(self, owner: str, conversation_id: str) -> Conversation:
        query = select(*listing.COLUMNS).where(*_one(owner, conversation_id))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise no_conversation(conversation_id)
        return listing.read_conversation(row)

    def rename(
        self, owner: str, conversation_id: str, title: str, *, seen_version: int | None = None
    ) -> None:
        """Give a title.

        Raises:
            ConflictError: the conversation has changed since `seen_version`; so in all methods that take one.
        """
        title = one_line(title, TITLE_CHARS)
        with self._database.writing() as connection:
            change_seen(connection, owner, conversation_id, {"title": title}, seen_version)
            replace_text(connection, SearchText(owner, conversation_id, None, title))

    def pin(self, owner: str, conversation_id: str, is_pinned: bool) -> None:
        """Keep a conversation at the top of lists, and out of the reach of retention."""
        with self._database.writing() as connection:
            change_seen(connection, owner, conversation_id, {"is_pinned": int(is_pinned)})

    def put_on(
        self, owner: str, conversation_ids: Sequence[str], shelf: Shelf, *, only_from: Shelf | None = None
    ) -> int:
        """Archive conversations, open them again, or delete them so that they can still be brought back.

        Args:
            only_from: leave those alone that are on another shelf by now.

        Returns:
            How many were moved; those that are gone or on that shelf already are passed over.
        """
        table = conversations.c
        deleted_at = time.time() if shelf == "deleted" else None
        change = conversations.update().where(table.owner == owner, table.shelf != shelf)
        if only_from is not None:
            change = change.where(table.shelf == only_from)
        change = change.values(shelf=shelf, deleted_at=deleted_at, version=table.version + 1)
        with self._database.writing() as connection:
            return sum(
                connection.execute(change.where(table.id.in_(some))).rowcount
                for some in batches(conversation_ids)
            )

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
        values = {name: value for name, value in values.items() if value is not None}
        # Setting the owner to itself lets a change of nothing still tell whether the conversation exists.
        change = conversations.update().where(*_one(owner, conversation_id)).values(owner=owner, **values)
        with self._database.writing() as connection:
            if connection.execute(change).rowcount == 0:
                raise no_conversation(conversation_id)

    def delete(self, owner: str, conversation_id: str) -> None:
        """Put a conversation on the shelf `deleted`, from which `put_on` brings it back."""
        if self.put_on(owner, [conversation_id], "deleted") == 0:
            raise no_conversation(conversation_id)

    def remove(self, owner: str, conversation_ids: Sequence[str]) -> int:
        """Remove conversations with all their messages, for good; gives how many there were."""
        table = conversations.c
        removed = 0
        for some in batches(conversation_ids, REMOVED_AT_ONCE):  # short transactions: others write meanwhile
            with self._database.writing() as connection:
                theirs = select(table.id).where(table.owner == owner, table.id.in_(some))
                found = connection.execute(theirs).scalars().all()
                remove_conversations(connection, found)
                connection.execute(conversations.delete().where(table.id.in_(found)))
                removed += len(found)
        return removed


def batches(ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """Parts of a long list, since a database takes so many values in one query and not more."""
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _one(owner: str, conversation_id: str) -> tuple[ColumnElement[bool], ...]:
    table = conversations.c
    return table.owner == owner, table.id == conversation_id, table.shelf != "deleted"


def change_seen(
    connection: Connection,
    owner: str,
    conversation_id: str,
    values: dict[str, Any],
    seen_version: int | None = None,
) -> None:
    """Change a conversation, where it is still as it was seen."""
    table = conversations.c
    change = conversations.update().where(*_one(owner, conversation_id))
    if seen_version is not None:
        change = change.where(table.version == seen_version)
    if connection.execute(change.values(version=table.version + 1, **values)).rowcount == 1:
        return
    title = connection.execute(select(table.title).where(*_one(owner, conversation_id))).scalar_one_or_none()
    if title is None:
        raise no_conversation(conversation_id)
    raise ConflictError(
        "The conversation {title!r} was changed in another window meanwhile; nothing was stored. "
        "Look at it again, then repeat your change.",
        title=title,
    )


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
