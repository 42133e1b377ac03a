"""The command line: every group of commands adds its own."""

import argparse
from functools import partial

from glmcore.cli.arguments import Parser, add_command, add_help
from glmcore.cli.chat import add_chat
from glmcore.cli.curves import add_curves
from glmcore.cli.doctor import run_doctor
from glmcore.cli.history import add_history
from glmcore.cli.jobs import add_jobs
from glmcore.cli.keys import add_keys
from glmcore.cli.models import add_models
from glmcore.cli.predict import add_predict
from glmcore.cli.serve import add_serve
from glmcore.cli.train import add_train
from glmcore.core.i18n import translate


def build_parser(language: str) -> argparse.ArgumentParser:
    _ = partial(translate, language=language)
    parser = Parser(prog="python -m glmcore", description=_("GLM dashboard in the terminal"), add_help=False)
    add_help(parser, language)
    commands = parser.add_subparsers(title=_("Commands"), metavar=_("COMMAND"), required=True)
    doctor_help = _("tell the settings, what this machine has, and what is wrong")
    add_command(commands, "doctor", doctor_help, run_doctor, language)
    add_models(commands, language)
    add_chat(commands, language)
    add_train(commands, language)
    add_predict(commands, language)
    add_curves(commands, language)
    add_jobs(commands, language)
    add_history(commands, language)
    add_keys(commands, language)
    add_serve(commands, language)
    return parser
