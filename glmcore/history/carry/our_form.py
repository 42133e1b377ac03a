"""Our own JSON: everything that is kept of a conversation, so that it comes back as it was.

`{"format": "glmcore-history", "version": 1, "conversations": [...]}`, a line for each conversation. What is
imported from other programs is kept in the same form until it is stored.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from glmcore.core.errors import DataError
from glmcore.core.i18n import mark
from glmcore.history.carry.answer_values import JUDGED, read_facts, read_judgement, read_params
from glmcore.history.carry.fields import Fields, checked_text
from glmcore.history.carry.nodes import MAX_MESSAGES, kept_model, kept_tags, now, too_many_messages
from glmcore.history.conversations import TITLE_CHARS, one_line
from glmcore.history.records import Conversation, Judgement, MessageState, Shelf, StoredMessage
from glmcore.history.whole import WholeConversation

FORMAT, VERSION = "glmcore-history", 1
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def write(found: Iterable[WholeConversation]) -> Iterator[str]:
    yield f'{{"format": "{FORMAT}", "version": {VERSION}, "conversations": ['
    separator = "\n"
    for whole in found:
        yield separator + json.dumps(to_dict(whole), ensure_ascii=False)
        separator = ",\n"
    yield "\n]}\n"


def to_dict(whole: WholeConversation) -> dict[str, Any]:
    told = whole.conversation
    return {
        "id": told.id,
        "title": told.title,
        "model": told.model,
        "adapter": told.adapter,
        "system_prompt": told.system_prompt,
        "params": told.params.to_dict() if told.params else None,
        "created_at": told.created_at,
        "updated_at": told.updated_at,
        "shelf": told.shelf,
        "is_pinned": told.is_pinned,
        "deleted_at": told.deleted_at,
        "tags": list(whole.tags),
        "shown": told.leaf_id,
        "messages": [_message_to_dict(each, whole.judgements.get(each.id)) for each in whole.messages],
    }


def _message_to_dict(message: StoredMessage, judgement: Judgement | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": message.id,
        "parent": message.parent_id,
        "role": message.role,
        "content": message.content,
        "state": message.state,
        "created_at": message.created_at,
        "facts": message.facts.to_dict() if message.facts else None,
    }
    if judgement is not None:
        judged = {name: getattr(judgement, name) for name in JUDGED}
        values["judgement"] = judged | {"judged_at": judgement.judged_at}
    return values


def read(of: Fields) -> WholeConversation:
    """A conversation of the file.

    Raises:
        DataError: a value is of the wrong type, or the messages are no tree.
    """
    conversation_id = read_id(of, "id")
    messages: dict[str, StoredMessage] = {}
    judgements: dict[str, Judgement] = {}
    if len(of.list("messages")) > MAX_MESSAGES:
        raise too_many_messages(len(of.list("messages")))
    for each in of.each("messages"):
        message = _read_message(each, conversation_id, messages)
        messages[message.id] = message
        judgement = read_judgement(each, "judgement", message.id, message.content)
        if judgement is not None and message.role == "assistant":
            judgements[message.id] = judgement
    return WholeConversation(
        conversation=_read_conversation(of, conversation_id, messages),
        tags=kept_tags(checked_text(tag, of.place("tags")) for tag in of.list("tags")),
        messages=tuple(messages.values()),
        judgements=judgements,
    )


def _read_conversation(of: Fields, conversation_id: str, messages: dict[str, StoredMessage]) -> Conversation:
    shelf: Any = of.values.get("shelf", "open")
    if shelf not in get_args(Shelf):
        raise of.wrong("shelf", mark("open, archived or deleted"))
    shown = of.optional_text("shown")
    if shown is not None and shown not in messages:
        raise of.wrong("shown", mark("the id of one of the messages"))
    created_at = of.seconds("created_at")
    created_at = now() if created_at is None else created_at
    updated_at = of.seconds("updated_at")
    deleted_at = of.seconds("deleted_at")
    return Conversation(
        id=conversation_id,
        owner="",
        title=one_line(of.optional_text("title") or "", TITLE_CHARS),
        model=kept_model(of.optional_text("model")),
        system_prompt=of.optional_text("system_prompt") or "",
        params=read_params(of, "params"),
        leaf_id=shown if shown is not None else next(reversed(messages), None),
        created_at=created_at,
        updated_at=created_at if updated_at is None else updated_at,
        adapter=of.optional_text("adapter"),
        shelf=shelf,
        is_pinned=of.flag("is_pinned"),
        deleted_at=(now() if deleted_at is None else deleted_at) if shelf == "deleted" else None,
    )


def _read_message(of: Fields, conversation_id: str, before: dict[str, StoredMessage]) -> StoredMessage:
    message_id = read_id(of, "id")
    if message_id in before:
        raise of.wrong("id", mark("an id that no message before has"))
    parent_id = of.optional_text("parent")
    if parent_id is not None and parent_id not in before:
        raise of.wrong("parent", mark("the id of a message before this one"))
    role: Any = of.values.get("role")
    if role not in ("system", "user", "assistant"):
        raise of.wrong("role", mark("user, assistant or system"))
    state: Any = of.values.get("state", "done")
    if state not in get_args(MessageState):
        raise of.wrong("state", mark("done, running, interrupted or failed"))
    created_at = of.seconds("created_at")
    return StoredMessage(
        id=message_id,
        conversation_id=conversation_id,
        parent_id=parent_id,
        role=role,
        content=of.text("content"),
        state="interrupted" if state == "running" else state,  # nobody writes it here
        facts=read_facts(of, "facts"),
        created_at=now() if created_at is None else created_at,
    )


def read_id(of: Fields, name: str) -> str:
    value = of.text(name)
    if not _ID.fullmatch(value):
        raise of.wrong(name, mark("an id of up to 100 letters, digits, - and _"))
    return value


def check_version(header: dict[str, Any]) -> None:
    """Refuse a file that a newer program wrote.

    Raises:
        DataError: it is of a later version than this program reads.
    """
    version = header.get("version")
    if version != VERSION:
        raise DataError(
            "The file is of version {version!r} of this program's own form; this program reads version "
            "{known}. Update the program that reads it, or export it again with this one.",
            version=str(version)[:20],
            known=VERSION,
        )
