"""`python -m glmcore`: chat, models, fine-tuning, its queue and the doctor in a terminal.

Exit codes: 0 done, 1 the doctor or a dry run found a problem, 2 an error of the user's, 130 ended by Ctrl+C,
143 by SIGTERM. The first of these two only asks a run in its steps to save and stop, which is 0.
What computes is imported by the command that needs it, so that `--help` comes at once.
"""

import io
import os
import sys
from collections.abc import Sequence

from glmcore.chat.terminal import EXIT_INTERRUPTED
from glmcore.cli.parser import build_parser
from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import terminal_language, translate_error
from glmcore.core.settings import load_settings

__all__ = ["EXIT_BROKEN_PIPE", "EXIT_ERROR", "build_parser", "main"]

EXIT_ERROR, EXIT_BROKEN_PIPE = 2, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    language = terminal_language()
    _accept_every_character()
    try:
        settings = load_settings()
        if settings.language != "auto":
            language = settings.language
        arguments = build_parser(language).parse_args(argv)
        code: int = arguments.run(arguments, settings, language)
        sys.stdout.flush()  # here, where a closed pipe is expected
        return code
    except GlmcoreError as error:
        print(translate_error(error, language), file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What reads us has seen enough. Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def _accept_every_character() -> None:
    """A character that the terminal's encoding does not know is replaced instead of ending the program."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
