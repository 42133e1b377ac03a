"""Makes one conversation of a row, whichever of the usual forms it has. Knows files and models not at all.

Single turns with a question and an answer, perhaps with earlier turns; lists of messages in the forms of
OpenAI and ChatGLM3 (role, content) and of ShareGPT (from, value). In a CSV file a list is a text in JSON.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from glmcore.core.errors import DataError
from glmcore.core.messages import Message, Role
from glmcore.tuning.data.columns import Columns

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
}
TOOL_ROLES = ("tool", "function", "observation", "function_call")
TOOL_KEYS = ("tools", "tool_calls", "function_call")
GAP = "\n\n"  # between messages of one role that follow each other


class Dropped(StrEnum):
    """Why a row teaches nothing."""

    EMPTY_QUESTION = "empty_question"
    EMPTY_ANSWER = "empty_answer"
    NO_ANSWER = "no_answer"  # a conversation in which the assistant says nothing
    HAS_TOOLS = "has_tools"  # calls of tools are not taught
    LATE_SYSTEM = "late_system"  # a system message between the turns, for which prompts have no place


@dataclass(frozen=True, slots=True)
class Conversation:
    """System messages, where there are any, then question and answer in turn, up to an answer."""

    messages: tuple[Message, ...]


def read_conversation(
    values: Mapping[str, Any], columns: Columns, source_prefix: str, where: str
) -> Conversation | Dropped:
    """The conversation of a row, or why it cannot be used. Texts are taken as they are, never stripped.

    Args:
        source_prefix: is put before the question; in a list of messages, before the first one.
        where: file and row, for errors.

    Raises:
        DataError: the row is not in any form known.
    """
    said = [Message("system", _text(values.get(columns.system), where))] if columns.system else []
    if columns.messages is None:
        return _read_single_turn(values, columns, source_prefix, where, said)
    entries = _list(values.get(columns.messages), columns.messages, where)
    if values.get("tools") not in (None, "", "[]", []) or any(map(_is_about_tools, entries)):
        return Dropped.HAS_TOOLS
    said += _messages(entries, where)
    if all(message.role != "assistant" for message in said):
        return Dropped.NO_ANSWER
    if all(_is_empty(message.content) for message in said if message.role == "assistant"):
        return Dropped.EMPTY_ANSWER
    return _tidied(said, source_prefix)


def _read_single_turn(
    values: Mapping[str, Any], columns: Columns, source_prefix: str, where: str, said: list[Message]
) -> Conversation | Dropped:
    question = _text(values.get(columns.prompt or ""), where)
    about = _text(values.get(columns.prompt_input), where) if columns.prompt_input else ""
    if not _is_empty(about):
        question = about if _is_empty(question) else f"{question}\n{about}"
    answer = _text(values.get(columns.response or ""), where)
    if _is_empty(question):
        return Dropped.EMPTY_QUESTION
    if _is_empty(answer):
        return Dropped.EMPTY_ANSWER
    if columns.history:
        said += _history(_list(values.get(columns.history), columns.history, where), where)
    return _tidied([*said, Message("user", source_prefix + question), Message("assistant", answer)])


def _history(entries: list[Any], where: str) -> Iterator[Message]:
    """The messages of earlier turns: pairs as ChatGLM-6B and 2 have them, or messages as ChatGLM3 does."""
    for entry in entries:
        if isinstance(entry, Mapping):
            yield from _messages([entry], where)
        elif isinstance(entry, list) and len(entry) == 2:
            yield Message("user", _text(entry[0], where))
            yield Message("assistant", _text(entry[1], where))
        else:
            raise DataError(
                "{where}: found {found} in the history; expected [question, answer].",
                where=where,
                found=_shown(entry),
            )


def _messages(entries: list[Any], where: str) -> Iterator[Message]:
    for entry in entries:
        role = ROLES.get(_said_by(entry))
        if role is None:
            raise DataError(
                "{where}: found the message {found}; expected role and content (or from and value), the role "
                "one of {roles}.",
                where=where,
                found=_shown(entry),
                roles=", ".join(ROLES),
            )
        content = entry.get("content")
        yield Message(role, _content(entry.get("value") if content is None else content, where))


def _content(content: Any, where: str) -> str:
    """The text of a message; of parts as OpenAI has them, put together."""
    if not isinstance(content, list):
        return _text(content, where)
    for part in content:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise DataError(
                "{where}: found the part {found} of a message; only text can be taught.",
                where=where,
                found=_shown(part),
            )
    return "".join(_text(part.get("text"), where) for part in content)


def _tidied(said: Iterable[Message], source_prefix: str = "") -> Conversation | Dropped:
    """What can be asked and answered in turn: from the first question to the last answer, system before.

    Empty messages are left out, and neighbours of one role are put together: an unanswered question, and
    one asked in two messages. A greeting before the first question answers nothing.
    """
    messages: list[Message] = []
    for message in said:
        if _is_empty(message.content):
            continue
        last = messages[-1] if messages else None
        if message.role == "assistant" and (last is None or last.role == "system"):
            continue
        if message.role == "system" and last is not None and last.role != "system":
            return Dropped.LATE_SYSTEM
        if last is not None and last.role == message.role:
            messages[-1] = Message(last.role, last.content + GAP + message.content)
        elif message.role == "user" and source_prefix:
            messages.append(Message("user", source_prefix + message.content))
            source_prefix = ""
        else:
            messages.append(message)
    while messages and messages[-1].role != "assistant":
        messages.pop()
    return Conversation(tuple(messages)) if messages else Dropped.EMPTY_QUESTION


def _said_by(entry: Any) -> str:
    role = (entry.get("role") or entry.get("from")) if isinstance(entry, Mapping) else None
    return role.lower() if isinstance(role, str) else ""


def _is_about_tools(entry: Any) -> bool:
    return _said_by(entry) in TOOL_ROLES or (
        isinstance(entry, Mapping) and any(entry.get(key) for key in TOOL_KEYS)
    )


def _list(value: Any, column: str, where: str) -> list[Any]:
    """A list, or the JSON text of one; nothing at all is an empty one."""
    if value is None or (isinstance(value, str) and _is_empty(value)):
        return []
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if not isinstance(value, list):
        raise DataError(
            "{where}: found {found} in the column {column!r}; expected a list, in a CSV file as JSON.",
            where=where,
            found=_shown(value),
            column=column,
        )
    return value


def _text(value: Any, where: str) -> str:
    if value is None or value != value:  # the empty cell of a Parquet file may be "not a number"
        return ""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if not isinstance(value, str):
        raise DataError("{where}: found {found}; expected a text.", where=where, found=_shown(value))
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair, as JSON files may hold when a text was cut in an emoji
        raise DataError(
            "{where}: {found} holds half a character, which cannot be written; remove it or its row.",
            where=where,
            found=_shown(value),
        ) from None
    return value


def _is_empty(text: str) -> bool:
    return not text or text.isspace()


def _shown(value: Any) -> str:
    """Enough of a value to recognise it in its file."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
