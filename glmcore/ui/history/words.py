"""Names and short texts of the history page: shelves, ratings, moments. Draws nothing."""

from collections.abc import Sequence
from datetime import datetime

from glmcore.history import Conversation, Judgement, ListedConversation
from glmcore.history.judgements import DOWN, REASONS, UP
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.history.address import ANY_SHELF, reader_zone
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, plural

# Icons and not emoji, for which a machine may have no font. A cell of text in a table takes signs only.
PIN_ICON = ":material/keep: "
UP_ICON, DOWN_ICON = ":material/thumb_up: ", ":material/thumb_down: "
IDEAL_ICON, STAR_ICON = ":material/edit_note: ", ":material/star: "
RATING_ICONS = (UP_ICON, DOWN_ICON, IDEAL_ICON, STAR_ICON)
RATING_SIGNS = ("+", "−", "✎", "★")


def shelf_names() -> dict[str, str]:
    return {
        "open": _("Open"),
        "archived": _("Archived"),
        ANY_SHELF: _("Open and archived"),
        "deleted": _("Deleted"),
    }


def rating_names() -> dict[str, str]:
    return {
        "up": _("good"),
        "down": _("bad"),
        "repaired": _("with an ideal answer"),
        "commented": _("with a comment"),
        "unrated": _("not rated"),
    }


def title_of(conversation: Conversation) -> str:
    """For what shows letters, such as a cell of a table."""
    return conversation.title or _("Untitled")


def marked_title(conversation: Conversation) -> str:
    """For what reads Markdown."""
    return plain(title_of(conversation))


def adapter_name(adapter: str | None, model: str) -> str:
    return short_name(adapter, model) if adapter else ""


def rating_text(listed: ListedConversation, signs: Sequence[str] = RATING_SIGNS) -> str:
    """Thumbs up and down, ideal answers, and the best stars: a sign and a number of those that there are."""
    numbers = (listed.num_up, listed.num_down, listed.num_repaired, listed.best_stars)
    return "  ".join(f"{sign}{number}" for sign, number in zip(signs, numbers, strict=True) if number)


def moment_text(seconds: float) -> str:
    """Day and minute in the reader's time zone; nothing for a time that is no date."""
    try:
        return datetime.fromtimestamp(seconds, reader_zone()).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def facts_of(listed: ListedConversation) -> str:
    """Model, adapter, turns, last use, tags and ratings in one line of Markdown."""
    conversation = listed.conversation
    parts = [
        plain(conversation.model),
        plain(adapter_name(conversation.adapter, conversation.model)),
        plural("{count} turn", "{count} turns", conversation.num_turns),
        moment_text(conversation.updated_at),
        plain(" ".join(f"#{tag}" for tag in listed.tags)),
        rating_text(listed, RATING_ICONS),
    ]
    return " · ".join(part for part in parts if part)


def judgement_text(judgement: Judgement) -> str:
    """Thumb, stars, reason and whether there is an ideal answer, in one line of Markdown."""
    thumb = {UP: UP_ICON, DOWN: DOWN_ICON}.get(judgement.thumb or 0, "").strip()
    stars = f"{STAR_ICON}{judgement.stars}" if judgement.stars else ""
    reason = _(REASONS.get(judgement.reason or "", ""))
    repair = IDEAL_ICON + _("with an ideal answer") if judgement.repair else ""
    return " · ".join(part for part in (thumb, stars, reason, repair) if part)
