"""`models`: which models and adapters there are, where a model would go, and converting an old one."""

import argparse
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from glmcore.chat.remote import RemoteModels
from glmcore.cli.arguments import Commands, add_command
from glmcore.cli.plan import add_plan
from glmcore.cli.progress_line import shown_progress
from glmcore.cli.table import NOTHING, format_table
from glmcore.core.errors import ModelLoadError
from glmcore.core.i18n import translate, translate_error
from glmcore.core.settings import Settings
from glmcore.models.adapters.folders import list_adapters
from glmcore.models.catalog import find_family
from glmcore.models.files.checkpoint import read_json
from glmcore.models.loading import fetch_model
from glmcore.models.places.devices import GIB
from glmcore.models.sources import ModelEntry, find_model, list_models


def add_models(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    models = add_command(commands, "models", _("list, plan and convert models"), run_list, language)
    inner = models.add_subparsers(title=_("Commands"), metavar=_("COMMAND"))
    add_command(inner, "list", _("list the models that can be asked for"), run_list, language)
    add_command(inner, "adapters", _("list the adapters that can be asked for"), run_adapters, language)
    add_plan(inner, language)
    convert_help = _("write a ChatGLM or GLM-4-9B folder in its original form as a safetensors folder")
    convert = add_command(inner, "convert", convert_help, run_convert, language)
    group = convert.add_argument_group(_("Folders"))
    group.add_argument("source", metavar="SRC", help=_("a name or the folder of the model"))
    group.add_argument("target", metavar="DST", type=Path, help=_("a new folder"))
    dtype_help = _("float32, bfloat16 or float16; as stored by default")
    group.add_argument("--dtype", metavar="NAME", default="auto", help=dtype_help)


def run_list(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    _ = partial(translate, language=language)
    rows = []
    remote = RemoteModels(settings)
    remote.look()
    for entry in [*list_models(settings), *remote.entries()]:
        size = f"{entry.bytes / 1e6:,.0f} MB" if entry.bytes else NOTHING
        state = _("ready") if entry.is_ready else _("not fetched yet")
        rows.append((entry.name, entry.kind, _family_title(entry), size, state))
    print(format_table(rows, right=(3,)))
    for fault in remote.faults():
        print(translate_error(fault, language), file=sys.stderr)
    return 0


def run_adapters(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    entries = list_adapters(settings)
    if not entries:
        print(translate("There is no adapter in the home folder or the model folders.", language))
        return 0
    rows = [
        (entry.name, entry.method, entry.family or NOTHING, entry.base_model or NOTHING) for entry in entries
    ]
    print(format_table(rows))
    return 0


def run_convert(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    _ = partial(translate, language=language)
    with shown_progress(language) as progress:
        folder = fetch_model(find_model(arguments.source, settings), settings, progress)
        from glmcore.models.native.convert import convert_folder

        done = convert_folder(folder, arguments.target, dtype=arguments.dtype, progress=progress)
    written = _("{family} is in {folder}: {size:.2f} GiB as {dtype}, {count} weight file(s).")
    print(
        written.format(
            family=done.family.title,
            folder=done.folder,
            size=done.bytes / GIB,
            dtype=done.dtype,
            count=done.num_files,
        )
    )
    if done.prefix is not None:
        print(_("The prefix among its weights is an adapter now: {folder}").format(folder=done.prefix))
    return 0


def _family_title(entry: ModelEntry) -> str:
    """What the config tells; nothing where there is none to read."""
    if entry.path is not None and entry.path.is_dir():
        with suppress(ModelLoadError):
            return find_family(read_json(entry.path / "config.json"), entry.path).title
    return NOTHING
