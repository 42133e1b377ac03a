"""From the messages of another program, a list or a tree, to a conversation as it is kept here.

What cannot be shown (calls of tools, empty messages) is passed over: what followed it follows what was
before it.
"""

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from glmcore.core.errors import DataError
from glmcore.core.messages import Role
from glmcore.history.carry.fields import TOLD_CHARACTERS
from glmcore.history.conversations import AUTOMATIC_TITLE_CHARS, TITLE_CHARS, one_line
from glmcore.history.records import Conversation, Shelf, StoredMessage
from glmcore.history.tags import TAG_CHARS
from glmcore.history.whole import WholeConversation

MAX_MESSAGES = 100_000
MAX_TAGS = 100
UNKNOWN_MODEL = "unknown"
MODEL_CHARACTERS = 500
now = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A message of the file.

    Attributes:
        key: what the file calls it; `parent` is the key of the message before it.
        role: None for one that is passed over.
    """

    key: str
    parent: str | None
    role: Role | None
    content: str
    created_at: float | None = None


def in_a_row(said: Iterable[tuple[Role | None, str, float | None]]) -> list[Node]:
    """Role, text and time of messages of which each follows the one before."""
    return [
        Node(
            key=str(number),
            parent=str(number - 1) if number else None,
            role=role,
            content=content,
            created_at=at,
        )
        for number, (role, content, at) in enumerate(said)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a file tells of a conversation beside its messages.

    Attributes:
        id: of a conversation of ours; a new one is made where there is none.
        shown: the key of the last message of the shown branch.
    """

    id: str = ""
    title: str = ""
    model: str | None = None
    system_prompt: str = ""
    shown: str | None = None
    created_at: float | None = None
    updated_at: float | None = None
    tags: tuple[str, ...] = ()
    shelf: Shelf = "open"
    is_pinned: bool = False


def conversation_of(nodes: Sequence[Node], told: Told, *, joins_answers: bool = False) -> WholeConversation:
    """The nodes as a conversation with ids of its own.

    Args:
        joins_answers: an answer that goes on after a call of a tool is made one with its beginning.

    Raises:
        DataError: the nodes are no tree, or too many.
    """
    if len(nodes) > MAX_MESSAGES:
        raise too_many_messages(len(nodes))
    kept: list[StoredMessage] = []
    stands_for: dict[str | None, str | None] = {None: None}  # the id of the nearest kept message
    times: dict[str | None, float] = {None: now() if told.created_at is None else told.created_at}
    for node in parents_first(nodes):
        parent_id = stands_for[node.parent]
        if node.role is None or not node.content.strip():
            stands_for[node.key] = parent_id
            continue
        message_id = stands_for[node.key] = uuid.uuid4().hex
        times[message_id] = times[parent_id] if node.created_at is None else node.created_at
        kept.append(_message(node, message_id, parent_id, times[message_id]))
    shown = stands_for.get(told.shown)
    if joins_answers:
        kept, shown = _joined(kept, shown)
    return _whole(kept, shown if shown is not None else (kept[-1].id if kept else None), told)


def _message(node: Node, message_id: str, parent_id: str | None, created_at: float) -> StoredMessage:
    assert node.role is not None
    return StoredMessage(
        id=message_id,
        conversation_id="",
        parent_id=parent_id,
        role=node.role,
        content=node.content,
        state="done",
        facts=None,
        created_at=created_at,
    )


def _whole(kept: list[StoredMessage], shown: str | None, told: Told) -> WholeConversation:
    times = [message.created_at for message in kept]
    created_at = told.created_at if told.created_at is not None else min(times, default=now())
    questions = (message.content for message in kept if message.role == "user")
    title = one_line(told.title, TITLE_CHARS) or one_line(next(questions, ""), AUTOMATIC_TITLE_CHARS)
    conversation = Conversation(
        id=told.id or uuid.uuid4().hex,
        owner="",
        title=title,
        model=kept_model(told.model),
        system_prompt=told.system_prompt,
        params=None,
        leaf_id=shown,
        created_at=created_at,
        updated_at=told.updated_at if told.updated_at is not None else max(times, default=created_at),
        shelf=told.shelf,
        is_pinned=told.is_pinned,
    )
    own = tuple(replace(message, conversation_id=conversation.id) for message in kept)
    return WholeConversation(conversation=conversation, tags=told.tags, messages=own, judgements={})


def parents_first(nodes: Sequence[Node]) -> list[Node]:
    """The nodes in the order of their times, but none before the one it follows.

    Raises:
        DataError: two have one key, a parent is missing, or they follow each other in a circle.
    """
    by_key = {node.key: node for node in nodes}
    if len(by_key) < len(nodes):
        raise DataError("messages: two of them have the same id; each needs one of its own.")
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        if node.parent is not None and node.parent not in by_key:
            raise DataError(
                "message {id!r}: it follows {parent!r}, which is not in the conversation.",
                id=node.key[:TOLD_CHARACTERS],
                parent=node.parent[:TOLD_CHARACTERS],
            )
        children.setdefault(node.parent, []).append(node)
    reached = [(0.0 if node.created_at is None else node.created_at, node) for node in children.get(None, ())]
    for at, node in reached:  # grows while it is gone through
        reached += [(max(at, child.created_at or at), child) for child in children.get(node.key, ())]
    if len(reached) < len(nodes):
        lost = by_key.keys() - {node.key for _at, node in reached}
        raise DataError(
            "message {id!r}: the messages follow each other in a circle; one must be the first.",
            id=min(lost)[:TOLD_CHARACTERS],
        )
    return [node for _at, node in sorted(reached, key=lambda pair: pair[0])]


def _joined(kept: list[StoredMessage], shown: str | None) -> tuple[list[StoredMessage], str | None]:
    """Make one message of those that follow each other with the same role and nothing else beside."""
    num_children: dict[str | None, int] = {}
    for message in kept:
        num_children[message.parent_id] = num_children.get(message.parent_id, 0) + 1
    part_of: dict[str | None, str] = {}  # the message whose text goes on
    texts: dict[str, list[str]] = {}
    heads: dict[str, StoredMessage] = {}
    for message in kept:
        head = heads.get(part_of.get(message.parent_id, ""))
        if head is not None and head.role == message.role and num_children[message.parent_id] == 1:
            part_of[message.id] = head.id
            texts[head.id].append(message.content)
            continue
        part_of[message.id] = message.id
        heads[message.id] = replace(message, parent_id=part_of.get(message.parent_id))
        texts[message.id] = [message.content]
    joined = [replace(head, content="\n\n".join(texts[head.id])) for head in heads.values()]
    return joined, part_of.get(shown)


def kept_model(name: str | None) -> str:
    return " ".join((name or "")[:MODEL_CHARACTERS].split()) or UNKNOWN_MODEL


def kept_tags(names: Iterable[str]) -> tuple[str, ...]:
    """Tags as they may be kept: without blanks, cut, each once."""
    kept = {" ".join(name.split())[:TAG_CHARS].strip() for name in names}
    return tuple(sorted(kept - {""})[:MAX_TAGS])


def too_many_messages(count: int) -> DataError:
    return DataError(
        "messages: {count:,} in one conversation; expected at most {limit:,}. Split it.",
        count=count,
        limit=MAX_MESSAGES,
    )
