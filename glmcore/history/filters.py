"""Which conversations are meant: one value for the list, search, export, data sets, replays and retention."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, and_, or_, select

from glmcore.history.records import Shelf
from glmcore.history.schema import conversations, judgements, tags
from glmcore.history.search.conditions import is_found
from glmcore.storage.lists import is_one_of

Rating = Literal["up", "down", "repaired", "commented", "unrated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFilter:
    """Conditions that all must hold; a value left out asks nothing.

    Attributes:
        shelf: None asks for open and archived ones; deleted ones are found only when they are asked for.
        since, until: of the last use, in seconds since 1970; `until` is excluded.
        models, adapters: one of them; an empty adapter stands for none.
        tags: all of them.
        ratings: one of them, on any answer; `unrated` has no answer judged.
        min_stars: on any answer.
        ids: chosen by hand.
        words: a search query; title or any message must match it.
    """

    shelf: Shelf | None = "open"
    is_pinned: bool | None = None
    since: float | None = None
    until: float | None = None
    models: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    min_stars: int | None = None
    min_turns: int | None = None
    max_turns: int | None = None
    ids: tuple[str, ...] = ()
    words: str = ""


def conditions(owner: str, chosen: ConversationFilter) -> list[ColumnElement[bool]]:
    """The owner's conversations that are meant, as conditions on the table.

    Raises:
        DataError: `words` is no query.
    """
    table = conversations.c
    found: list[ColumnElement[bool]] = [table.owner == owner]
    found.append(table.shelf == chosen.shelf if chosen.shelf else table.shelf.in_(("open", "archived")))
    if chosen.is_pinned is not None:
        found.append(table.is_pinned == int(chosen.is_pinned))
    if chosen.since is not None:
        found.append(table.updated_at >= chosen.since)
    if chosen.until is not None:
        found.append(table.updated_at < chosen.until)
    if chosen.models:
        found.append(table.model.in_(chosen.models))
    if chosen.adapters:
        named = table.adapter.in_([name for name in chosen.adapters if name])
        found.append(or_(named, table.adapter.is_(None)) if "" in chosen.adapters else named)
    if chosen.min_turns is not None:
        found.append(table.leaf_depth >= 2 * chosen.min_turns - 1)
    if chosen.max_turns is not None:
        found.append(table.leaf_depth <= 2 * chosen.max_turns)
    if chosen.ids:
        found.append(is_one_of(table.id, chosen.ids))
    found += [_has_tag(owner, tag) for tag in chosen.tags]
    if chosen.words.strip():
        found.append(is_found(owner, chosen.words))
    return found + _ratings(owner, chosen)


def _has_tag(owner: str, tag: str) -> ColumnElement[bool]:
    tagged = select(tags.c.conversation_id).where(tags.c.owner == owner, tags.c.tag == tag)
    return conversations.c.id.in_(tagged)


def _ratings(owner: str, chosen: ConversationFilter) -> list[ColumnElement[bool]]:
    table = judgements.c
    judged = select(table.conversation_id).where(table.owner == owner)
    kinds = {
        "up": table.thumb == 1,
        "down": table.thumb == -1,
        "repaired": table.repair.is_not(None),
        "commented": table.comment.is_not(None),
    }
    found: list[ColumnElement[bool]] = []
    wanted = [kinds[rating] for rating in chosen.ratings if rating != "unrated"]
    parts = [conversations.c.id.in_(judged.where(or_(*wanted)))] if wanted else []
    if "unrated" in chosen.ratings:
        parts.append(conversations.c.id.not_in(judged))
    if parts:
        found.append(or_(*parts))
    if chosen.min_stars is not None:
        found.append(conversations.c.id.in_(judged.where(and_(table.stars >= chosen.min_stars))))
    return found
