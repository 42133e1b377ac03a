"""`keys`: API keys in a terminal: make, list, revoke.

A secret is all that `make` writes to stdout, so that it can be led into a file or a variable; the rest goes
to stderr. A key is named by its id or by a beginning of it that no other has.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from glmcore.cli.arguments import Commands, add_command, readable
from glmcore.cli.table import NOTHING, format_table
from glmcore.core.errors import ConfigError, NotFoundError
from glmcore.core.i18n import mark, translate
from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import Settings
from glmcore.curves.text_names import shown_name
from glmcore.keys.key import Key, Right

if TYPE_CHECKING:
    from glmcore.keys.store import KeyStore

MOST_NAMED = 5  # ids in a sentence
NO_KEY = mark(
    "There is no key: the API answers on localhost only, and needs none there. "
    "Make one: python -m glmcore keys make NAME"
)
NONE_LEFT = mark(
    "No valid key is left, so the API refuses every request, also from this machine, until one is made."
)


def add_keys(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    keys = add_command(commands, "keys", _("API keys: make, list, revoke"), run_list, language)
    keys.set_defaults(json=False)
    actions = keys.add_subparsers(title=_("Commands"), metavar=_("COMMAND"))
    make = add_command(actions, "make", _("make a key; it is told once, on stdout"), run_make, language)
    make.add_argument("name", metavar="NAME", help=_("what it is for, to tell keys apart"))
    user_help = _("whose conversations and jobs its requests belong to; {user} by default")
    make.add_argument("--user", metavar="USER", default=LOCAL_USER, help=user_help.format(user=LOCAL_USER))
    make.add_argument(
        "--may",
        nargs="+",
        choices=[str(right) for right in Right],
        default=[str(Right.CHAT)],
        help=_("what it may be used for; {right} by default").format(right=Right.CHAT),
    )
    minute_help = _("requests that it may make a minute; without limit by default")
    make.add_argument("--per-minute", metavar="N", type=int, default=0, help=minute_help)
    once_help = _("answers that may run for it at once; without limit by default")
    make.add_argument("--at-once", metavar="N", type=int, default=0, help=once_help)
    make.add_argument("--store", action="store_true", help=_("keep its chats as conversations of its user"))
    listing = add_command(actions, "list", _("all keys, the newest first; the default"), run_list, language)
    revoke = add_command(actions, "revoke", _("end a key for good"), run_revoke, language)
    revoke.add_argument("id", metavar="ID", help=_("id of the key, or a beginning of it that no other has"))
    for command in (make, listing):
        command.add_argument("--json", action="store_true", help=_("as JSON, for programs"))


def run_make(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    _ = partial(translate, language=language)
    with _opened_keys(settings) as keys:
        is_first = not keys.any_made()
        key, secret = keys.make(
            readable(arguments.name),
            user=readable(arguments.user),
            rights=frozenset(Right(right) for right in arguments.may),
            requests_per_minute=arguments.per_minute,
            answers_at_once=arguments.at_once,
            stores_chats=arguments.store,
        )
    made = _("Made key {id}, {name}, for {user}: {rights}. It is told this once; keep it now.").format(
        id=key.id, name=shown_name(key.name), user=shown_name(key.user), rights=", ".join(sorted(key.rights))
    )
    print(made, file=sys.stderr)
    if is_first:
        print(_("From now on every request to the API needs a key."), file=sys.stderr)
    values = json.dumps(_values(key) | {"secret": secret}, ensure_ascii=False, indent=2)
    print(values if arguments.json else secret)
    return 0


def run_list(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    with _opened_keys(settings) as keys:
        listed = keys.list()
    if arguments.json:
        print(json.dumps([_values(key) for key in listed], ensure_ascii=False, indent=2))
    elif listed:
        print(_table(listed, language))
        _warn_without_valid(listed, language)
    else:
        print(translate(NO_KEY, language))
    return 0


def run_revoke(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    with _opened_keys(settings) as keys:
        seen = _find(keys.list(), readable(arguments.id))
        keys.revoke(seen.id)
        listed = keys.list()
    said = (
        mark("Revoked: {id}, {name}") if seen.revoked_at is None else mark("Was revoked before: {id}, {name}")
    )
    print(translate(said, language).format(id=seen.id, name=shown_name(seen.name)))
    _warn_without_valid(listed, language)
    return 0


@contextmanager
def _opened_keys(settings: Settings) -> Iterator["KeyStore"]:
    from glmcore.keys.store import open_keys

    keys = open_keys(settings.resolved_database_url)
    try:
        yield keys
    finally:
        keys.close()


def _find(keys: Sequence[Key], text: str) -> Key:
    """The key with an id, or the only one whose id begins so.

    Raises:
        NotFoundError: there is none.
        ConfigError: there are several.
    """
    found = [key for key in keys if text and key.id.startswith(text)]
    exact = [key for key in found if key.id == text]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if not found:
        raise NotFoundError(
            "There is no key {id!r}; `python -m glmcore keys list` shows those there are.", id=text
        )
    ids = [key.id for key in found[:MOST_NAMED]]
    raise ConfigError(
        "{text!r} begins the ids of {count} keys ({ids}); write more of one.",
        text=text,
        count=len(found),
        ids=", ".join(ids + ["…"] * (len(found) > MOST_NAMED)),
    )


def _warn_without_valid(keys: Sequence[Key], language: str) -> None:
    if all(key.revoked_at is not None for key in keys):
        print(translate(NONE_LEFT, language), file=sys.stderr)


def _table(keys: Sequence[Key], language: str) -> str:
    _ = partial(translate, language=language)
    rows = [
        (
            _("id"),
            _("name"),
            _("ends"),
            _("user"),
            _("may"),
            _("a minute"),
            _("at once"),
            _("chats"),
            _("made"),
            _("last used"),
            _("state"),
        )
    ]
    for key in keys:
        rows.append(
            (
                key.id,
                shown_name(key.name),
                f"…{key.hint}",
                shown_name(key.user),
                " ".join(sorted(key.rights)),
                str(key.requests_per_minute or NOTHING),
                str(key.answers_at_once or NOTHING),
                _("stored") if key.stores_chats else NOTHING,
                _date(key.created_at),
                _date(key.last_used_at),
                _("revoked") if key.revoked_at is not None else _("valid"),
            )
        )
    return format_table(rows, right=(5, 6))


def _values(key: Key) -> dict[str, Any]:
    return asdict(key) | {"rights": sorted(key.rights)}


def _date(seconds: float | None) -> str:
    return NOTHING if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
