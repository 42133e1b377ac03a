"""What the forms that hold a row of turns have in common: the shown branch, and what is told beside it."""

from collections.abc import Iterable
from typing import Any

from glmcore.core.messages import Role
from glmcore.history.carry.fields import Fields, checked_text
from glmcore.history.carry.nodes import Told, kept_tags
from glmcore.history.carry.our_form import read_id
from glmcore.history.whole import WholeConversation

OWN_KEY = "glmcore"  # by what stands here a second import finds what is here already


def shown_turns(whole: WholeConversation) -> list[tuple[Role, str]]:
    """System prompt and branch, but for messages without text; none where nothing was said."""
    turns: list[tuple[Role, str]] = [
        (each.role, each.content) for each in whole.branch() if each.content.strip()
    ]
    prompt = whole.conversation.system_prompt
    return [("system", prompt), *turns] if prompt and turns else turns


def own_values(whole: WholeConversation) -> dict[str, Any]:
    told = whole.conversation
    return {
        "id": told.id,
        "title": told.title,
        "model": told.model,
        "created_at": told.created_at,
        "updated_at": told.updated_at,
        "tags": list(whole.tags),
    }


def told_of(of: Fields, prompts: Iterable[str]) -> Told:
    """What we told of a conversation when we exported it, or else what others tell in the usual places."""
    own = of.optional_inner(OWN_KEY)
    told = of if own is None else own
    tags = told.values.get("tags")
    return Told(
        id=read_id(own, "id") if own is not None else "",
        title=told.optional_text("title") or "",
        model=told.optional_text("model"),
        system_prompt="\n\n".join(prompt for prompt in prompts if prompt.strip()),
        created_at=told.seconds("created_at"),
        updated_at=told.seconds("updated_at"),
        tags=kept_tags(checked_text(tag, told.place("tags")) for tag in tags)
        if isinstance(tags, list)
        else (),
    )
