"""OpenAI's `messages`: role and content for each message, as their chat API and fine-tuning take them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from glmcore.core.i18n import mark
from glmcore.core.messages import Role
from glmcore.history.carry.fields import Fields, checked_text, wrong
from glmcore.history.carry.nodes import conversation_of, in_a_row
from glmcore.history.carry.turns import OWN_KEY, own_values, shown_turns, told_of
from glmcore.history.whole import WholeConversation

ROLES: Mapping[str, Role | Literal["passed over"]] = {
    **dict.fromkeys(("system", "developer"), "system"),
    "user": "user",
    "assistant": "assistant",
    **dict.fromkeys(("tool", "function"), "passed over"),
}
EXPECTED_ROLE = mark("user, assistant, system or tool")


def write(found: Iterable[WholeConversation]) -> Iterator[str]:
    for whole in found:
        turns = [{"role": role, "content": content} for role, content in shown_turns(whole)]
        if turns:
            yield json.dumps({"messages": turns, OWN_KEY: own_values(whole)}, ensure_ascii=False) + "\n"


def is_one(values: Fields) -> bool:
    return "messages" in values.values


def read(of: Fields) -> WholeConversation:
    prompts, said = rows_of(of)
    return conversation_of(in_a_row(said), told_of(of, prompts))


def rows_of(of: Fields) -> tuple[list[str], list[tuple[Role | None, str, float | None]]]:
    """The system prompts of a list of messages; role, text and time of the others."""
    prompts: list[str] = []
    said: list[tuple[Role | None, str, float | None]] = []
    for each in of.each("messages"):
        role = ROLES.get(each.text("role").lower())
        if role is None:
            raise each.wrong("role", EXPECTED_ROLE)
        content = content_text(each.values.get("content"), each.place("content"))
        if role == "system":
            prompts.append(content)
        else:
            said.append((None if role == "passed over" else role, content, each.seconds("timestamp")))
    return prompts, said


def content_text(content: Any, place: str) -> str:
    """The text of a content, which may be a list of parts; pictures and calls of tools have none."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return checked_text(content, place)
    texts = []
    for number, part in enumerate(content):
        at = f"{place}[{number}]"
        if isinstance(part, dict):
            text = part.get("text")
            texts.append("" if text is None else checked_text(text, at))
        elif isinstance(part, str):
            texts.append(checked_text(part, at))
        else:
            raise wrong(at, part, mark("a text, or an object with one"))
    return checked_text("\n".join(filter(None, texts)), place)
