"""`history export` and `history import`: conversations to a file and from one."""

import argparse
import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.cli.arguments import Commands, add_command, readable
from glmcore.cli.history_filters import add_filters, opened_history, read_filters
from glmcore.core.errors import ConfigError, StorageError
from glmcore.core.i18n import translate, translate_error, translate_plural
from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import Settings
from glmcore.curves.text_names import shown_name

if TYPE_CHECKING:
    from glmcore.history.carry import ImportPreview

EXIT_PROBLEM = 1
MOST_PROBLEMS, MOST_TITLES = 20, 5  # that are named
LONGEST_TEXT = 1000  # places


def add_export(actions: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    export = add_command(
        actions, "export", _("write conversations to a file, or to the output"), run_export, language
    )
    form_help = _("json (complete), markdown, csv, sharegpt or openai")
    export.add_argument("form", metavar="FORM", help=form_help)
    export.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help=_("a new file, or a folder for it")
    )
    export.add_argument("--force", action="store_true", help=_("also over a file that is there"))
    add_filters(export, language)


def add_import(actions: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    import_help = _(
        "add the conversations of a file: of ours, ShareGPT, OpenAI messages, ChatGPT, Open WebUI"
    )
    command = add_command(actions, "import", import_help, run_import, language)
    command.add_argument("file", metavar="FILE", type=Path, help=_("the file; its form is recognised"))
    command.add_argument("--skip-bad", action="store_true", help=_("leave out what cannot be read"))
    command.add_argument("--dry-run", action="store_true", help=_("only tell what is in it"))


def run_export(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.history.carry import FORMS, export, file_name

    form = readable(arguments.form).lower()
    if form not in FORMS:
        raise ConfigError(
            "There is no form {form!r}; expected one of {forms}.", form=form, forms=", ".join(FORMS)
        )
    chosen = read_filters(arguments)
    with opened_history(settings) as store:
        count = store.conversations.count(LOCAL_USER, chosen)
        parts = export(store, LOCAL_USER, chosen, form)
        if arguments.file is None:
            sys.stdout.flush()
            for part in parts:
                sys.stdout.buffer.write(part)
            return 0
        file = arguments.file / file_name(form) if arguments.file.is_dir() else arguments.file
        _write_whole(file, parts, may_replace=arguments.force)
    text = translate_plural(
        "{count} conversation is in {file}.", "{count} conversations are in {file}.", count, language
    )
    print(text.format(count=count, file=readable(str(file))))
    return 0


def run_import(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.history.carry import carry_out, read_import

    _ = partial(translate, language=language)
    with opened_history(settings) as store:
        preview = read_import(store, LOCAL_USER, arguments.file)
        _show(preview, language)
        if arguments.dry_run:
            return EXIT_PROBLEM if preview.num_problems else 0
        report = carry_out(store, LOCAL_USER, preview, skip_problems=arguments.skip_bad)
    done = _("Imported: {imported}. Here already: {known}. Left out: {bad}.")
    print(done.format(imported=report.imported, known=report.known, bad=preview.num_problems))
    return 0


def _show(preview: "ImportPreview", language: str) -> None:
    """What is in the file on the output, what is wrong with it on stderr."""
    from glmcore.history.carry import IMPORT_FORMS

    _ = partial(translate, language=language)
    told = _("Form: {form}. Conversations: {conversations}, messages: {messages}. Here already: {known}.")
    print(
        told.format(
            form=_(IMPORT_FORMS[preview.form]),
            conversations=preview.num_conversations,
            messages=preview.num_messages,
            known=preview.num_known,
        )
    )
    for title in preview.samples[:MOST_TITLES]:
        print(f"  {shown_name(title)}")
    for problem in preview.problems[:MOST_PROBLEMS]:
        place = _(problem.place.template).format(**problem.place.values)
        line = shown_name(f"{place}: {translate_error(problem.error, language)}", LONGEST_TEXT)
        print(line, file=sys.stderr)
    if (more := preview.num_problems - MOST_PROBLEMS) > 0:
        text = translate_plural("{count} more problem.", "{count} more problems.", more, language)
        print(text.format(count=more), file=sys.stderr)


def _write_whole(path: Path, parts: Iterable[bytes], *, may_replace: bool) -> None:
    """Write a file whole or not at all; raises StorageError."""
    shown = readable(str(path))
    if path.exists() and not path.is_file():
        raise ConfigError(
            "{file} is no ordinary file, and is not replaced by one; name a file, or none for the output.",
            file=shown,
        )
    if path.exists() and not may_replace:
        raise ConfigError("{file} is there already; name a new file, or add --force.", file=shown)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        try:
            with unfinished.open("wb") as file:
                file.writelines(parts)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as fault:
        raise StorageError(
            "{file} cannot be written ({fault}); name a file in a folder that you may write, with space on "
            "its disk.",
            file=shown,
            fault=fault.strerror,
        ) from fault
