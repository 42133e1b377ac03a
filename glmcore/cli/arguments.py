"""What the commands' own command lines have in common."""

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeAlias

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import translate

Commands: TypeAlias = "argparse._SubParsersAction[Any]"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error."""

    keeps_rest = False  # what it does not know is left as it stands, in `rest`, and is no error

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, rest = super().parse_known_args(args, namespace)
        if self.keeps_rest:
            known.rest, rest = rest, []
        return known, rest

    def error(self, message: str) -> NoReturn:
        raise ConfigError("{command}: {fault}; see {command} --help.", command=self.prog, fault=message)


def add_command(
    commands: Commands, name: str, help_text: str, run: Callable[..., int], language: str
) -> Parser:
    """Add a command; `run` is called with its arguments, the settings and the language."""
    command: Parser = commands.add_parser(name, help=help_text, description=help_text, add_help=False)
    command.set_defaults(run=run)
    add_help(command, language)
    return command


def add_help(parser: argparse.ArgumentParser, language: str) -> None:
    _ = partial(translate, language=language)
    group = parser.add_argument_group(_("Help"))
    group.add_argument("-h", "--help", action="help", help=_("show this and end"))


def readable(argument: str) -> str:
    """An argument without the half characters that Python keeps from bytes it could not decode."""
    return os.fsencode(argument).decode("utf-8", "replace")
