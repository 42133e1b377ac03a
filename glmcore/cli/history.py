"""`history`: conversations in a terminal: list, search, export, import, prune, and another database."""

import argparse
import json
import sys
import time
from functools import partial

from glmcore.cli.arguments import Commands, add_command, readable
from glmcore.cli.history_files import add_export, add_import
from glmcore.cli.history_filters import NO_FILTERS, add_filters, opened_history, read_age, read_filters
from glmcore.cli.history_migrate import add_migrate
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark, translate, translate_plural
from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import Settings

YES = ("y", "yes")
LISTED, FOUND = 30, 20  # at once
DAY = 24 * 3600.0  # seconds


def add_history(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    history_help = _("conversations: list, search, export, import, prune, move")
    history = add_command(commands, "history", history_help, run_list, language)
    history.set_defaults(**NO_FILTERS, limit=LISTED, json=False)
    actions = history.add_subparsers(title=_("Commands"), metavar=_("COMMAND"))
    listing = add_command(actions, "list", _("those used last; the default"), run_list, language)
    search = add_command(actions, "search", _("find the words in them"), run_search, language)
    query_help = _('words, "a phrase", a beginning*, -not; Chinese and English')
    search.add_argument("query", metavar="QUERY", help=query_help)
    for command, limit in ((listing, LISTED), (search, FOUND)):
        add_filters(command, language, with_words=command is listing)
        limit_help = _("how many; {count} by default").format(count=limit)
        command.add_argument("--limit", metavar="N", type=int, default=limit, help=limit_help)
        command.add_argument("--json", action="store_true", help=_("as JSON, for programs"))
    add_export(actions, language)
    add_import(actions, language)
    prune_help = _("remove what the settings no longer keep, of all users, for good")
    prune = add_command(actions, "prune", prune_help, run_prune, language)
    age_help = _("remove what was not used for so long, such as 90d; pinned and rated ones stay")
    prune.add_argument("--older-than", metavar="AGE", help=age_help)
    prune.add_argument("--dry-run", action="store_true", help=_("only tell how many"))
    prune.add_argument("--yes", action="store_true", help=_("do not ask"))
    add_migrate(actions, language)


def run_list(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.cli.history_report import list_table, listed_values

    chosen = read_filters(arguments)
    with opened_history(settings) as store:
        found = store.conversations.page(LOCAL_USER, chosen, limit=_limit(arguments))
        if arguments.json:
            print(json.dumps([listed_values(listed) for listed in found], ensure_ascii=False, indent=2))
            return 0
        if not found:
            print(translate("No conversation is found.", language))
            return 0
        print(list_table(found, language))
        rest = store.conversations.count(LOCAL_USER, chosen) - len(found)
    if rest:
        text = translate_plural("{count} more; see --limit", "{count} more; see --limit", rest, language)
        print(text.format(count=rest), file=sys.stderr)
    return 0


def run_search(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.cli.history_report import hit_values, hits_text

    chosen = read_filters(arguments, words=arguments.query)
    with opened_history(settings) as store:
        page = store.search.find(LOCAL_USER, chosen, limit=_limit(arguments))
    if arguments.json:
        hits = [hit_values(hit) for hit in page.hits]
        values = {"total": page.total, "is_total_exact": page.is_total_exact, "hits": hits}
        print(json.dumps(values, ensure_ascii=False, indent=2))
        return 0
    if not page.hits:
        text = translate("Nothing is found for {words}", language)
        print(text.format(words=readable(arguments.query)), file=sys.stderr)
        return 0
    print(hits_text(page, language))
    if page.total > len(page.hits):
        text = mark("{count} of {total} conversations are shown; see --limit")
        if not page.is_total_exact:
            text = mark("{count} of {total} or more conversations are shown; see --limit")
        print(translate(text, language).format(count=len(page.hits), total=page.total), file=sys.stderr)
    return 0


def run_prune(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.cli.history_report import date
    from glmcore.history.retention import RetentionRules, forget, plan

    rules, now = RetentionRules.of(settings), time.time()
    if arguments.older_than is not None:
        days = read_age("--older-than", arguments.older_than) / DAY
        rules = RetentionRules(history_days=days, trash_days=settings.trash_days)
    with opened_history(settings) as store:
        planned = plan(store.database, rules, now)
        if planned.oldest is None:
            print(translate("There is nothing to remove.", language))
            return 0
        text = translate_plural(
            "{count} conversation is to be removed for good; {deleted} of these had been deleted. "
            "The oldest was last used at {date}.",
            "{count} conversations are to be removed for good; {deleted} of these had been deleted. "
            "The oldest was last used at {date}.",
            planned.count,
            language,
        )
        print(text.format(count=planned.count, deleted=planned.num_deleted, date=date(planned.oldest)))
        if arguments.dry_run:
            return 0
        if not arguments.yes and not _agrees(planned.count, language):
            print(translate("Nothing was removed.", language))
            return 0
        removed = forget(store.database, rules, now)
    print(translate("Removed: {count}", language).format(count=removed))
    return 0


def _agrees(count: int, language: str) -> bool:
    """Whether whoever sits at the terminal wants it."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "Nobody can be asked whether to remove {count} conversations; add --yes.", count=count
        )
    try:
        return input(translate("Remove them? [y/N] ", language)).strip().lower() in YES
    except EOFError:
        return False


def _limit(arguments: argparse.Namespace) -> int:
    limit: int = arguments.limit
    if not 1 <= limit <= 1_000_000:
        raise ConfigError("--limit is {limit}; expected 1 to 1000000.", limit=limit)
    return limit
