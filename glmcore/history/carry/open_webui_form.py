"""Open WebUI's export: chats with a tree of messages (`history`), or in older ones a list of them."""

from collections.abc import Iterable
from typing import Any

from glmcore.history.carry.fields import Fields
from glmcore.history.carry.nodes import Node, Told, conversation_of, in_a_row, kept_tags
from glmcore.history.carry.openai_form import EXPECTED_ROLE, ROLES, content_text, rows_of
from glmcore.history.whole import WholeConversation


def is_one(values: Fields) -> bool:
    return isinstance(values.values.get("chat"), dict) or isinstance(values.values.get("history"), dict)


def read(of: Fields) -> WholeConversation:
    chat = of.inner("chat") if "chat" in of.values else of
    params = chat.values.get("params")
    prompt = chat.optional_text("system") or (
        Fields(params, chat.place("params")).optional_text("system") if isinstance(params, dict) else None
    )
    history = chat.values.get("history")
    prompts = [prompt or ""]
    shown, model = None, None
    if isinstance(history, dict) and history.get("messages"):
        tree = chat.inner("history")
        nodes, model = _tree(tree, prompts)
        shown = tree.optional_text("currentId")
    else:
        more, said = rows_of(chat)
        prompts += more
        nodes = in_a_row(said)
    told = Told(
        title=of.optional_text("title") or chat.optional_text("title") or "",
        model=model or _first_text(chat.values.get("models")),
        system_prompt="\n\n".join(filter(None, prompts)),
        shown=shown,
        created_at=_first_time(of.seconds("created_at"), chat.seconds("timestamp")),
        updated_at=of.seconds("updated_at"),
        tags=kept_tags([*_tags(chat.values.get("tags")), *_tags(_meta(of).get("tags"))]),
        shelf="archived" if of.flag("archived") else "open",
        is_pinned=of.flag("pinned"),
    )
    return conversation_of(nodes, told)


def _tree(tree: Fields, prompts: list[str]) -> tuple[list[Node], str | None]:
    """The nodes, and the model of the last answer; texts of system messages are added to the prompts."""
    of_id = tree.inner("messages")
    nodes, model = [], None
    for key in of_id.values:
        message = of_id.inner(key)
        role = ROLES.get(message.text("role").lower())
        if role is None:
            raise message.wrong("role", EXPECTED_ROLE)
        content = content_text(message.values.get("content"), message.place("content"))
        if role == "system":
            prompts.append(content)
        nodes.append(
            Node(
                key=key,
                parent=message.optional_text("parentId"),
                role=role if role in ("user", "assistant") else None,
                content=content,
                created_at=message.seconds("timestamp"),
            )
        )
        if role == "assistant":
            model = message.optional_text("model") or model
    return nodes, model


def _tags(found: Any) -> Iterable[str]:
    """The names of tags, which are texts or objects with a name."""
    for tag in found if isinstance(found, list) else ():
        name = tag.get("name") if isinstance(tag, dict) else tag
        if isinstance(name, str):
            yield name


def _meta(of: Fields) -> dict[str, Any]:
    meta = of.values.get("meta")
    return meta if isinstance(meta, dict) else {}


def _first_text(found: Any) -> str | None:
    return found[0] if isinstance(found, list) and found and isinstance(found[0], str) else None


def _first_time(*times: float | None) -> float | None:
    return next((at for at in times if at is not None), None)
