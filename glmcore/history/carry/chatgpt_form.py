"""ChatGPT's export: `conversations.json` with a tree of nodes (`mapping`) for each conversation."""

from typing import Any

from glmcore.core.messages import Role
from glmcore.history.carry.fields import Fields
from glmcore.history.carry.nodes import Node, Told, conversation_of
from glmcore.history.carry.openai_form import EXPECTED_ROLE, ROLES, content_text
from glmcore.history.whole import WholeConversation

_TEXTS = ("text", "multimodal_text")  # other contents are thoughts, calls of tools, or what these gave


def is_one(values: Fields) -> bool:
    return "mapping" in values.values


def read(of: Fields) -> WholeConversation:
    mapping = of.inner("mapping")
    nodes: list[Node] = []
    model = of.optional_text("default_model_slug")
    for key in mapping.values:
        node = mapping.inner(key)
        message = node.optional_inner("message")
        role, content = _said(message) if message is not None else (None, "")
        nodes.append(
            Node(
                key=key,
                parent=node.optional_text("parent"),
                role=role,
                content=content,
                created_at=message.seconds("create_time") if message is not None else None,
            )
        )
        if message is not None and role == "assistant":
            model = _model(message) or model
    told = Told(
        title=of.optional_text("title") or "",
        model=model,
        shown=of.optional_text("current_node"),
        created_at=of.seconds("create_time"),
        updated_at=of.seconds("update_time"),
        shelf="archived" if of.flag("is_archived") else "open",
        is_pinned=of.flag("is_starred"),
    )
    return conversation_of(nodes, told, joins_answers=True)


def _said(message: Fields) -> tuple[Role | None, str]:
    """Role and text of a message between people and the model; no role for any other."""
    author = message.inner("author")
    role = ROLES.get(author.text("role"))
    if role is None:
        raise author.wrong("role", EXPECTED_ROLE)
    content = message.optional_inner("content")
    recipient: Any = message.values.get("recipient")
    is_hidden = _metadata(message).get("is_visually_hidden_from_conversation") is True
    # Its system messages are not what somebody wrote, but the program's own.
    if role not in ("user", "assistant") or content is None or is_hidden or recipient not in (None, "all"):
        return None, ""
    if content.values.get("content_type") not in _TEXTS:
        return None, ""
    return role, content_text(content.values.get("parts"), content.place("parts"))


def _model(message: Fields) -> str | None:
    slug = _metadata(message).get("model_slug")
    return slug if isinstance(slug, str) else None


def _metadata(message: Fields) -> dict[str, Any]:
    metadata = message.values.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
