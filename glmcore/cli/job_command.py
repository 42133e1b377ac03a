"""What the commands on a job file have in common."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from glmcore.cli.arguments import Commands, Parser, add_command
from glmcore.cli.progress_line import ProgressLine
from glmcore.core.i18n import translate
from glmcore.models.progress import Progress
from glmcore.tuning.job_config import format_fields


def add_job_command(
    commands: Commands, name: str, help_text: str, run: Callable[..., int], language: str
) -> Parser:
    """Add a command that leaves to the job what it does not know itself: `rest` of its arguments."""
    _ = partial(translate, language=language)
    command = add_command(commands, name, help_text, run, language)
    command.keeps_rest, command.allow_abbrev = True, False
    command.usage = "%(prog)s " + _("[JOB.yaml] [key=value …] [options]")
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = _("Keys of a job, with their defaults:") + "\n\n" + format_fields(language)
    return command


@contextmanager
def shown_work(language: str) -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Give what slow work is to call, and what tells a line; both write to stderr without mixing."""
    line = ProgressLine(sys.stderr)

    def progress(stage: str, fraction: float | None) -> None:
        line.show(translate(stage, language), fraction)

    def tell(text: str) -> None:
        line.clear()
        print(text, file=sys.stderr, flush=True)

    try:
        yield progress, tell
    finally:
        line.clear()
