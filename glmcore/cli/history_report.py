"""Conversations as text: the list, what a search found, what an import would do."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from glmcore.cli.table import NOTHING, format_table
from glmcore.core.i18n import mark, translate
from glmcore.curves.text_names import shown_name

if TYPE_CHECKING:
    from glmcore.history import ListedConversation
    from glmcore.history.search.find import SearchHit, SearchPage

LONGEST_TITLE, LONGEST_CELL, LONGEST_SNIPPET = 40, 28, 1000  # places
HIT, AS_BEFORE = "\x1b[1;31m", "\x1b[0m"
ROLES = {"user": mark("question"), "assistant": mark("answer"), None: mark("title")}


def list_table(found: "Sequence[ListedConversation]", language: str) -> str:
    """A line per conversation."""
    _ = partial(translate, language=language)
    header = (
        _("id"),
        _("title"),
        _("model"),
        _("adapter"),
        _("last used"),
        _("turns"),
        _("tags"),
        _("judged"),
    )
    rows = [header]
    for listed in found:
        one = listed.conversation
        rows.append(
            (
                one.id,
                ("* " if one.is_pinned else "") + (shown_name(one.title, LONGEST_TITLE) or NOTHING),
                shown_name(one.model, LONGEST_CELL),
                shown_name(one.adapter or "", LONGEST_CELL) or NOTHING,
                date(one.updated_at),
                str(one.num_turns),
                shown_name(", ".join(listed.tags), LONGEST_CELL) or NOTHING,
                _judged(listed),
            )
        )
    return format_table(rows, right=(5,))


def listed_values(listed: "ListedConversation") -> dict[str, Any]:
    """One conversation as JSON values, for programs."""
    one = listed.conversation
    return {
        "id": one.id,
        "title": one.title,
        "model": one.model,
        "adapter": one.adapter,
        "shelf": one.shelf,
        "is_pinned": one.is_pinned,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "num_turns": one.num_turns,
        "tags": list(listed.tags),
        "num_up": listed.num_up,
        "num_down": listed.num_down,
        "num_repaired": listed.num_repaired,
        "best_stars": listed.best_stars,
    }


def hits_text(page: "SearchPage", language: str) -> str:
    """A paragraph per conversation: where it is, and the best place in it with the words marked."""
    return "\n\n".join(_hit_text(hit, language) for hit in page.hits)


def hit_values(hit: "SearchHit") -> dict[str, Any]:
    return listed_values(hit.listed) | {
        "message_id": hit.message_id,
        "role": hit.role,
        "num_messages": hit.num_messages,
        "snippet": [{"text": part.text, "is_hit": part.is_hit} for part in hit.snippet],
    }


def date(seconds: float) -> str:
    """In the time of this machine; an imported conversation may have any number as its time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return NOTHING


def _hit_text(hit: "SearchHit", language: str) -> str:
    _ = partial(translate, language=language)
    one = hit.listed.conversation
    address = f"/chat?c={one.id}" + (f"&m={hit.message_id}" if hit.message_id else "")
    facts = (date(one.updated_at), shown_name(one.model, LONGEST_CELL), shown_name(address, LONGEST_SNIPPET))
    title = shown_name(one.title, LONGEST_TITLE) or NOTHING
    role = _(ROLES.get(hit.role, ROLES[None]))
    lines = [f"{title}  {'  '.join(facts)}", f"  {role}: {_snippet(hit)}"]
    if hit.num_messages > 1:
        lines.append("  " + _("{count} messages of it were found").format(count=hit.num_messages))
    return "\n".join(lines)


def _snippet(hit: "SearchHit") -> str:
    """On one line; the words that were found are marked where it is a terminal that can."""
    can_mark = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    parts = [(shown_name(part.text, LONGEST_SNIPPET), part.is_hit) for part in hit.snippet]
    return "".join(f"{HIT}{text}{AS_BEFORE}" if is_hit and can_mark else text for text, is_hit in parts)


def _judged(listed: "ListedConversation") -> str:
    counts = (("+", listed.num_up), ("-", listed.num_down), ("✎", listed.num_repaired))
    cells = [f"{sign}{count}" for sign, count in counts if count]
    stars = [f"{listed.best_stars}★"] if listed.best_stars else []
    return " ".join(cells + stars) or NOTHING
