"""Which conversations a command means, as options; and moments and ages as people write them."""

import argparse
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from glmcore.cli.arguments import Parser, readable
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import translate
from glmcore.core.settings import Settings

if TYPE_CHECKING:
    from glmcore.history import ConversationFilter, HistoryStore

RATINGS = ("up", "down", "repaired", "commented", "unrated")
SHELVES = ("open", "archived", "deleted")
NO_ADAPTER = "none"
AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([hdw])")
MOST_TURNS = 1_000_000
UNIT_SECONDS = {"h": 3600.0, "d": 24 * 3600.0, "w": 7 * 24 * 3600.0}
# What a command without these options, such as `history` alone, has in their place.
NO_FILTERS: Mapping[str, Any] = {
    "since": None,
    "until": None,
    "model": [],
    "adapter": [],
    "tag": [],
    "rating": [],
    "min_stars": None,
    "min_turns": None,
    "max_turns": None,
    "pinned": None,
    "shelf": None,
    "id": [],
    "words": "",
}


@contextmanager
def opened_history(settings: Settings) -> Iterator["HistoryStore"]:
    from glmcore.history import open_history

    store = open_history(settings.resolved_database_url)
    try:
        yield store
    finally:
        store.close()


def add_filters(command: Parser, language: str, *, with_words: bool = True) -> None:
    _ = partial(translate, language=language)
    group = command.add_argument_group(_("Which conversations"))
    moment_help = _("used since then: a date such as 2025-01-31, or an age such as 30d, 12h or 2w")
    group.add_argument("--since", metavar="WHEN", help=moment_help)
    group.add_argument("--until", metavar="WHEN", help=_("used until then; a date counts to its end"))
    group.add_argument(
        "--model", metavar="NAME", action="append", default=[], help=_("this model; may be repeated")
    )
    adapter_help = _("this adapter, or none; may be repeated")
    group.add_argument("--adapter", metavar="NAME", action="append", default=[], help=adapter_help)
    group.add_argument(
        "--tag",
        metavar="TAG",
        action="append",
        default=[],
        help=_("with this tag; repeated: with all of them"),
    )
    rating_help = _("with an answer judged so; may be repeated")
    group.add_argument("--rating", choices=RATINGS, action="append", default=[], help=rating_help)
    stars_help = _("with an answer of so many stars or more")
    group.add_argument("--min-stars", type=int, choices=range(1, 6), metavar="N", help=stars_help)
    for option, turns_help in (
        ("--min-turns", _("with so many questions or more on the shown branch")),
        ("--max-turns", _("with so many questions or fewer")),
    ):
        group.add_argument(option, type=int, metavar="N", help=turns_help)
    pinned_help = _("pinned ones only; --no-pinned: the others only")
    group.add_argument("--pinned", action=argparse.BooleanOptionalAction, help=pinned_help)
    group.add_argument("--shelf", choices=SHELVES, help=_("open and archived ones by default"))
    group.add_argument("--id", metavar="ID", action="append", default=[], help=_("this one; may be repeated"))
    if with_words:
        group.add_argument(
            "--words", metavar="QUERY", default="", help=_("in which a search finds something")
        )


def read_filters(arguments: argparse.Namespace, words: str | None = None) -> "ConversationFilter":
    """The filter that the options tell. Raises ConfigError where a moment cannot be read."""
    from glmcore.history import ConversationFilter

    return ConversationFilter(
        shelf=arguments.shelf,
        since=None if arguments.since is None else _moment("--since", arguments.since),
        until=None if arguments.until is None else _moment("--until", arguments.until, to_its_end=True),
        models=tuple(map(readable, arguments.model)),
        adapters=tuple("" if name == NO_ADAPTER else readable(name) for name in arguments.adapter),
        tags=tuple(map(readable, arguments.tag)),
        ratings=tuple(arguments.rating),
        min_stars=arguments.min_stars,
        min_turns=_turns(arguments.min_turns),
        max_turns=_turns(arguments.max_turns),
        is_pinned=arguments.pinned,
        ids=tuple(map(readable, arguments.id)),
        words=readable(arguments.words if words is None else words),
    )


def _turns(asked: int | None) -> int | None:
    """A number that any database can compare with."""
    return None if asked is None else max(0, min(asked, MOST_TURNS))


def read_age(option: str, text: str) -> float:
    """Seconds of an age such as `90d`. Raises ConfigError."""
    found = AGE.fullmatch(text.strip().lower())
    seconds = float(found[1]) * UNIT_SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise ConfigError(
            "{option} is {text!r}; expected an age of hours, days or weeks, such as 12h, 90d or 2w.",
            option=option,
            text=readable(text),
        )
    return seconds


def _moment(option: str, text: str, *, to_its_end: bool = False) -> float:
    """Seconds since 1970 of a date or time here, or of an age."""
    if AGE.fullmatch(text.strip().lower()):
        return time.time() - read_age(option, text)
    try:
        moment = datetime.fromisoformat(text.strip())
        is_day = moment.tzinfo is None and (moment.hour, moment.minute, moment.second) == (0, 0, 0)
        if to_its_end and is_day and len(text.strip()) <= len("2025-01-31"):
            moment += timedelta(days=1)
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            "{option} is {text!r}; expected a date such as 2025-01-31, a time such as 2025-01-31T18:00, "
            "or an age such as 30d.",
            option=option,
            text=readable(text),
        ) from None
