"""ShareGPT: a list of `from` and `value` for each conversation; the shown branch only."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from glmcore.core.i18n import mark
from glmcore.core.messages import Role
from glmcore.history.carry.fields import Fields
from glmcore.history.carry.nodes import conversation_of, in_a_row
from glmcore.history.carry.turns import OWN_KEY, own_values, shown_turns, told_of
from glmcore.history.whole import WholeConversation

_NAMES: Mapping[Role, str] = {"system": "system", "user": "human", "assistant": "gpt"}
_ROLES: Mapping[str, Role | Literal["passed over"]] = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model", "bot", "bing", "bard"), "assistant"),
    "system": "system",
    **dict.fromkeys(("function_call", "observation", "tool", "function"), "passed over"),
}


def write(found: Iterable[WholeConversation]) -> Iterator[str]:
    for whole in found:
        turns = [{"from": _NAMES[role], "value": content} for role, content in shown_turns(whole)]
        if turns:
            values = {"conversations": turns, OWN_KEY: own_values(whole)}
            yield json.dumps(values, ensure_ascii=False) + "\n"


def is_one(values: Fields) -> bool:
    return "conversations" in values.values or "conversation" in values.values


def read(of: Fields) -> WholeConversation:
    name = "conversations" if "conversations" in of.values else "conversation"
    prompts = [of.optional_text("system") or ""]
    said: list[tuple[Role | None, str, float | None]] = []
    for each in of.each(name):
        role = _ROLES.get(each.text("from" if "from" in each.values else "role").lower())
        if role is None:
            raise each.wrong("from", mark("human, gpt or system"))
        content = each.optional_text("value" if "value" in each.values else "content") or ""
        if role == "system":
            prompts.append(content)
        else:
            said.append((None if role == "passed over" else role, content, None))
    return conversation_of(in_a_row(said), told_of(of, prompts))
