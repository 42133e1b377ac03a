"""The messages of a conversation as a tree: asked, answered bit by bit, asked again in other words.

A regenerated answer or an edited question is another child of the same parent; nothing is overwritten.
"""

import time
import uuid

from sqlalchemy import Connection, Update, select

from glmcore.core.errors import ConflictError
from glmcore.core.messages import AnswerFacts, GenerationParams, Role, StopReason
from glmcore.history import paths, servers, tree, usage
from glmcore.history.conversations import AUTOMATIC_TITLE_CHARS, no_conversation, one_line
from glmcore.history.records import MessageState, PathEntry, PathWindow, StoredMessage
from glmcore.history.schema import conversations, messages
from glmcore.history.search.index import SearchText, add_texts, replace_text
from glmcore.storage.database import Database


class MessageStore:
    """Every method but `interrupt_running` finds the owner's messages only, or raises `NotFoundError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_question(
        self,
        owner: str,
        conversation_id: str,
        parent_id: str | None,
        content: str,
        *,
        must_be_latest: bool = False,
    ) -> StoredMessage:
        """Store a question under the message it follows (None for a first one) and make it the shown leaf.

        Args:
            must_be_latest: the message it follows is the end of the conversation, as far as the asker knows.

        Raises:
            ConflictError: the conversation went on, or another branch is shown, since the asker looked.
        """
        with self._database.writing() as connection:
            if must_be_latest:
                _check_latest(connection, owner, conversation_id, parent_id)
            message = _insert(connection, owner, conversation_id, parent_id, "user", content)
            texts = [SearchText(owner, conversation_id, message.id, content)]
            untitled = _of_conversation(owner, conversation_id).where(conversations.c.title == "")
            title = one_line(content, AUTOMATIC_TITLE_CHARS)
            if connection.execute(untitled.values(title=title)).rowcount and title:
                texts.append(SearchText(owner, conversation_id, None, title))
            add_texts(connection, texts)
        return message

    def start_answer(
        self, owner: str, conversation_id: str, parent_id: str, *, content: str = ""
    ) -> StoredMessage:
        """Store an answer that this server process is about to write and make it the shown leaf."""
        with self._database.writing() as connection:
            return _insert(connection, owner, conversation_id, parent_id, "assistant", content)

    def save_text(self, owner: str, message_id: str, content: str) -> None:
        """Store the text so far; an answer that has ended meanwhile keeps its final text."""
        change = _of_message(owner, message_id).where(messages.c.state == "running")
        with self._database.writing() as connection:
            if connection.execute(change.values(content=content, saved_at=time.time())).rowcount == 0:
                paths.read_message(
                    connection, owner, message_id
                )  # ended meanwhile, unless it is not there at all

    def finish_answer(self, owner: str, message_id: str, content: str, facts: AnswerFacts) -> None:
        """Store the final text with its facts; why it stopped decides the state."""
        now = time.time()
        with self._database.writing() as connection:
            before = paths.read_message(connection, owner, message_id)
            change = _of_message(owner, message_id)
            connection.execute(
                change.values(
                    content=content, facts=facts, state=_end_state(facts), server_id=None, saved_at=now
                )
            )
            change = _of_conversation(owner, before.conversation_id)
            connection.execute(change.values(updated_at=now, adapter=facts.adapter))
            replace_text(connection, SearchText(owner, before.conversation_id, message_id, content))
            if before.state == "running":  # else it was counted when it was taken for interrupted
                usage.record(connection, owner, before.conversation_id, facts, now)

    def interrupt_running(self) -> int:
        """Mark the running answers, of all owners, whose server is gone; call it when a server starts.

        Returns:
            How many were marked. They keep their text.
        """
        running = (
            select(
                messages.c.id,
                messages.c.owner,
                messages.c.conversation_id,
                messages.c.server_id,
                messages.c.saved_at,
                messages.c.facts,
                messages.c.content,
            )
            .add_columns(conversations.c.model, conversations.c.params)
            .join_from(messages, conversations, messages.c.conversation_id == conversations.c.id)
            .where(messages.c.state == "running")
        )
        now = time.time()
        with self._database.writing() as connection:
            rows = connection.execute(running).all()
            lost = [row for row in rows if servers.is_gone(row.server_id, now - row.saved_at)]
            for row in lost:
                facts = row.facts or AnswerFacts(
                    model=row.model,
                    stop_reason=StopReason.INTERRUPTED,
                    params=row.params or GenerationParams(),
                )
                change = _of_message(row.owner, row.id)
                connection.execute(change.values(state="interrupted", server_id=None, facts=facts))
                replace_text(connection, SearchText(row.owner, row.conversation_id, row.id, row.content))
                usage.record(connection, row.owner, row.conversation_id, facts, row.saved_at)
        return len(lost)

    def get(self, owner: str, message_id: str) -> StoredMessage:
        with self._database.reading() as connection:
            return paths.read_message(connection, owner, message_id)

    def path(
        self, owner: str, conversation_id: str, *, leaf_id: str | None = None, limit: int | None = None
    ) -> list[PathEntry]:
        """The branch that ends at the leaf (by default the shown one), oldest first.

        Args:
            limit: give only this many of its last messages.
        """
        with self._database.reading() as connection:
            return paths.read_path(connection, owner, conversation_id, leaf_id, limit)

    def path_length(self, owner: str, conversation_id: str, leaf_id: str | None = None) -> int:
        """How many messages the branch has that ends at the leaf (by default the shown one)."""
        with self._database.reading() as connection:
            return paths.count_path(connection, owner, conversation_id, leaf_id)

    def window(
        self, owner: str, conversation_id: str, message_id: str, *, before: int, after: int
    ) -> PathWindow:
        """The message with at most so many before and after it, on the branch that `leaf_through` ends."""
        with self._database.reading() as connection:
            return paths.read_window(connection, owner, conversation_id, message_id, before, after)

    def leaf_through(self, owner: str, conversation_id: str, message_id: str) -> str:
        """The end of the branch through a message: the shown branch, or the youngest of the others."""
        with self._database.reading() as connection:
            return paths.leaf_through(connection, owner, conversation_id, message_id)

    def select_sibling(self, owner: str, message_id: str) -> None:
        """Show the branch through this version, down to the youngest message under it."""
        with self._database.writing() as connection:
            conversation_id = paths.read_message(connection, owner, message_id).conversation_id
            leaf = connection.execute(tree.latest_leaf(owner, conversation_id, message_id)).one()
            change = _of_conversation(owner, conversation_id).where(conversations.c.shelf != "deleted")
            if connection.execute(change.values(leaf_id=leaf.id, leaf_depth=leaf.depth)).rowcount == 0:
                raise no_conversation(conversation_id)


def _insert(
    connection: Connection, owner: str, conversation_id: str, parent_id: str | None, role: Role, content: str
) -> StoredMessage:
    """Add a message under its parent and make it the conversation's leaf."""
    now = time.time()
    message_id = uuid.uuid4().hex
    # The conversation is changed first: it tells whether it exists, and other writers to it then wait.
    change = _of_conversation(owner, conversation_id).where(conversations.c.shelf != "deleted")
    change = change.values(leaf_id=message_id, updated_at=now)
    if connection.execute(change).rowcount == 0:
        raise no_conversation(conversation_id)
    depth = 1 + _depth(connection, owner, conversation_id, parent_id)
    connection.execute(_of_conversation(owner, conversation_id).values(leaf_depth=depth))
    is_answer = role == "assistant"
    values = {
        "id": message_id,
        "owner": owner,
        "conversation_id": conversation_id,
        "parent_id": parent_id,
        "depth": depth,
        "role": role,
        "content": content,
        "state": "running" if is_answer else "done",
        "server_id": servers.this_server() if is_answer else None,
        "created_at": now,
        "saved_at": now,
    }
    return paths.to_message(
        connection.execute(messages.insert().values(values).returning(*paths.COLUMNS)).one()
    )


def _check_latest(connection: Connection, owner: str, conversation_id: str, parent_id: str | None) -> None:
    latest = connection.execute(select(paths.shown_leaf(owner, conversation_id))).scalar_one()
    if latest != parent_id:
        raise ConflictError(
            "This conversation went on in another window since you looked at it; your question was not "
            "stored. Read what is new, then ask again."
        )


def _depth(connection: Connection, owner: str, conversation_id: str, parent_id: str | None) -> int:
    if parent_id is None:
        return 0
    query = select(messages.c.depth).where(
        messages.c.owner == owner,
        messages.c.conversation_id == conversation_id,
        messages.c.id == parent_id,
    )
    depth: int | None = connection.execute(query).scalar_one_or_none()
    if depth is None:
        raise paths.no_message(parent_id)
    return depth


def _of_conversation(owner: str, conversation_id: str) -> Update:
    return conversations.update().where(conversations.c.owner == owner, conversations.c.id == conversation_id)


def _of_message(owner: str, message_id: str) -> Update:
    return messages.update().where(messages.c.owner == owner, messages.c.id == message_id)


def _end_state(facts: AnswerFacts) -> MessageState:
    match facts.stop_reason:
        case StopReason.INTERRUPTED:
            return "interrupted"
        case StopReason.ERROR:
            return "failed"
    return "done"
