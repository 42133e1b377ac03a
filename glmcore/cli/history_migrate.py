"""`history migrate`: the whole database, the queue of jobs too, copied to another one."""

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

from glmcore.cli.arguments import Commands, add_command
from glmcore.cli.opened_jobs import SEEN_SECONDS
from glmcore.cli.progress_line import shown_progress
from glmcore.cli.table import format_table
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark, translate
from glmcore.core.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection


def add_migrate(actions: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    migrate_help = _(
        "copy the database to an empty one, SQLite to PostgreSQL or back; the source stays as it is"
    )
    migrate = add_command(actions, "migrate", migrate_help, run_migrate, language)
    to_help = _("sqlite:///FILE or postgresql://USER@HOST/NAME; a password is better kept in ~/.pgpass")
    migrate.add_argument("--to", metavar="URL", required=True, help=to_help)
    from_help = _("by default the database of the settings")
    migrate.add_argument("--from", metavar="URL", dest="source", help=from_help)


def run_migrate(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.history.copying import Part, copy_database
    from glmcore.jobs import schema
    from glmcore.keys import schema as keys_schema

    # Who looks after jobs at the moment is not carried over: they sign in again.
    tables = [table for table in schema.metadata.sorted_tables if table is not schema.runners]
    jobs = Part(ledger=schema.LEDGER, steps=schema.MIGRATIONS, tables=tables, check=_check_nobody_works)
    # Without its keys the copy would let everybody on its machine in.
    keys = Part(
        ledger=keys_schema.LEDGER,
        steps=keys_schema.MIGRATIONS,
        tables=keys_schema.metadata.sorted_tables,
    )
    source = arguments.source or settings.resolved_database_url
    with shown_progress(language) as progress:
        counts = copy_database(
            source,
            arguments.to,
            [jobs, keys],
            lambda done, total: (
                progress(mark("copying"), done / total)
                if done < total
                else progress(mark("indexing and comparing"), None)
            ),
        )
    _ = partial(translate, language=language)
    rows = [(_("table"), _("rows")), *((name, str(count)) for name, count in counts.items())]
    print(format_table(rows, right=(1,)))
    print(
        _("All is copied and was compared. Set database_url to the new database, then start the dashboard.")
    )
    return 0


def _check_nobody_works(connection: "Connection") -> None:
    """What somebody writes while it is copied would stay behind."""
    from sqlalchemy import select

    from glmcore.jobs.schema import runners

    seen = select(runners.c.what, runners.c.host).where(runners.c.seen_at > time.time() - SEEN_SECONDS)
    if (one := connection.execute(seen).first()) is not None:
        raise ConfigError(
            "A {what} on {host} works with this database; what it writes meanwhile would stay behind. "
            "End it, then copy; after a crash wait a minute.",
            what=one.what,
            host=one.host,
        )
