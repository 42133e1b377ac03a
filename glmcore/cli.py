"""`python -m glmcore`: the chat in a terminal, the models that are there, and what is wrong.

Exit codes: 0 done, 1 the doctor found a problem, 2 an error of the user's, 130 ended by Ctrl+C.
What computes is imported by the command that needs it, so that `--help` comes at once.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any, NoReturn, TextIO

from glmcore.chat.engine import ChatEngine
from glmcore.chat.model_host import ModelHost
from glmcore.chat.terminal import EXIT_INTERRUPTED, TerminalChat, stream_answer, writer_to
from glmcore.core.errors import ConfigError, DataError, GlmcoreError
from glmcore.core.i18n import mark, terminal_language, translate, translate_error, translate_plural
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.settings import Settings, load_settings
from glmcore.models.doctor import examine
from glmcore.models.sources import find_model, list_models

EXIT_PROBLEM, EXIT_ERROR, EXIT_BROKEN_PIPE = 1, 2, 141
SAMPLING = ("temperature", "top_p", "top_k", "max_new_tokens", "repetition_penalty", "seed")
LOOK_EVERY_SECONDS = 0.1  # at how far loading is
CLEAR_LINE = "\r\x1b[K"
STARTING = mark("Starting")


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


# The command line.


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError("{command}: {fault}; see {command} --help.", command=self.prog, fault=message)


def build_parser(language: str) -> argparse.ArgumentParser:
    _ = partial(translate, language=language)
    parser = _Parser(prog="python -m glmcore", description=_("GLM dashboard in the terminal"), add_help=False)
    _add_help(parser, language)
    commands = parser.add_subparsers(title=_("Commands"), metavar=_("COMMAND"), required=True)

    def add(name: str, help_text: str, run: Callable[..., int]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text, add_help=False)
        command.set_defaults(run=run)
        _add_help(command, language)
        return command

    add("doctor", _("tell the settings, what this machine has, and what is wrong"), run_doctor)
    models = add("models", _("list the models that can be asked for"), run_models)
    models.add_argument("list", nargs="?", choices=["list"], help=argparse.SUPPRESS)
    chat = add("chat", _("talk to a model, or ask it one question"), run_chat)
    _add_question(chat, language)
    _add_sampling(chat, language)
    return parser


def _add_help(parser: argparse.ArgumentParser, language: str) -> None:
    _ = partial(translate, language=language)
    group = parser.add_argument_group(_("Help"))
    group.add_argument("-h", "--help", action="help", help=_("show this and end"))


def _add_question(chat: argparse.ArgumentParser, language: str) -> None:
    _ = partial(translate, language=language)
    group = chat.add_argument_group(_("Question"))
    text = partial(group.add_argument, metavar="TEXT", type=_readable)
    group.add_argument("--model", help=_("a name, a folder or a .gguf file; the setting model by default"))
    text("--system", default="", help=_("system prompt"))
    text("--prompt", help=_("answer this and end; - reads it from standard input"))
    json_help = _("with --prompt: one JSON object with the answer and its facts")
    group.add_argument("--json", action="store_true", help=json_help)


def _add_sampling(chat: argparse.ArgumentParser, language: str) -> None:
    _ = partial(translate, language=language)
    group = chat.add_argument_group(_("Sampling"), _("What is not given is as the model recommends."))
    number = partial(group.add_argument, metavar="N", type=float)
    whole = partial(group.add_argument, metavar="N", type=int)
    heat = group.add_mutually_exclusive_group()
    heat.add_argument("--greedy", action="store_true", help=_("always the likeliest token: temperature 0"))
    heat.add_argument("--temperature", metavar="N", type=float, help=_("higher is more varied; 0 to 2"))
    number("--top-p", help=_("choose among the likeliest tokens of this share; 0 to 1"))
    whole("--top-k", help=_("choose among so many of the likeliest tokens; 0 is off"))
    whole("--max-new-tokens", help=_("longest answer, in tokens"))
    number("--repetition-penalty", help=_("above 1 avoids repetition; 0.5 to 2"))
    whole("--seed", help=_("the same number gives the same answer again"))
    stop_help = _("end before this text; may be repeated")
    group.add_argument("--stop", metavar="TEXT", type=_readable, action="append", help=stop_help)


def _readable(argument: str) -> str:
    """An argument without the half characters that Python keeps from bytes it could not decode."""
    return os.fsencode(argument).decode("utf-8", "replace")


# The commands.


def run_doctor(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    findings = examine(settings)
    for topic, group in groupby(findings, key=lambda finding: finding.topic):
        print(translate(topic, language))
        for finding in group:
            text = translate(finding.template, language).format(**finding.values)
            print(f"{'!' if finding.is_problem else ' '} {text}")
    count = sum(finding.is_problem for finding in findings)
    if not count:
        print(translate("No problem found.", language))
        return 0
    summary = translate_plural(
        "{count} problem found, marked with !", "{count} problems found, marked with !", count, language
    )
    print(summary.format(count=count))
    return EXIT_PROBLEM


def run_models(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    _ = partial(translate, language=language)
    entries = list_models(settings)
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        size = f"{entry.bytes / 1e6:,.0f} MB" if entry.bytes else "–"
        state = _("ready") if entry.is_ready else _("not fetched yet")
        print(f"{entry.name:{width}}  {entry.kind:8}  {size:>10}  {state}")
    return 0


def run_chat(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    given = _given_sampling(arguments)
    GenerationParams(**given)  # what is out of range is said before the model is loaded
    model = (arguments.model or settings.model).strip()
    find_model(model, settings)  # and so is a name that means nothing
    question = _read_question(arguments)
    _quiet_libraries()
    host = ModelHost(settings)
    try:
        engine = _load(host, model, language)
        params = replace(engine.default_params, **given)
        if question is not None:
            return _answer_once(engine, params, arguments.system, question, as_json=arguments.json)
        with suppress(ImportError):  # line editing, where Python was built with it
            import readline  # noqa: F401
        chat = TerminalChat(engine, params, language=language, screen=sys.stdout, system=arguments.system)
        return chat.run()
    finally:
        host.close()


def _given_sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    """The sampling parameters that the command line names."""
    given = {name: getattr(arguments, name) for name in SAMPLING if getattr(arguments, name) is not None}
    if arguments.greedy:
        given["temperature"] = 0.0
    if arguments.stop:
        given["stop"] = tuple(arguments.stop)
    return given


def _read_question(arguments: argparse.Namespace) -> str | None:
    """The one question of `--prompt`; None where the person is to be asked."""
    if arguments.prompt is None:
        if arguments.json:
            raise ConfigError("--json needs a question to answer; give it with --prompt.")
        return None
    question: str = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt
    if not question.strip():
        raise DataError("The question of --prompt is empty; write one.")
    return question.strip("\n")


def _quiet_libraries() -> None:
    """Keep the libraries' notes and bars for developers out of the terminal; who sets these has them."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _answer_once(
    engine: ChatEngine, params: GenerationParams, system: str, question: str, *, as_json: bool
) -> int:
    head = (Message("system", system),) if system else ()
    request = ChatRequest(messages=(*head, Message("user", question)), params=params, model=engine.model_name)
    write = writer_to(sys.stdout)
    text, facts = stream_answer(engine, request, (lambda piece: None) if as_json else write)
    if facts.error is None and as_json:
        answer = {
            "text": text,
            "model": facts.model,
            "prompt_tokens": facts.prompt_tokens,
            "completion_tokens": facts.completion_tokens,
            "stop_reason": facts.stop_reason,
            "seconds": round(facts.seconds, 3),
        }
        text = json.dumps(answer, ensure_ascii=False)
        write(text)
    if text and not text.endswith("\n"):
        write("\n")
    if facts.error is not None:
        raise GlmcoreError.from_dict(facts.error)
    return EXIT_INTERRUPTED if facts.stop_reason is StopReason.CANCELLED else 0


# Loading.


def _load(host: ModelHost, name: str, language: str) -> ChatEngine:
    """The engine of a model; how far loading is goes to stderr."""
    line = _ProgressLine(sys.stderr)
    try:
        host.start_loading(name)
        while (state := host.state(name)) is not None and not state.is_ready and state.error is None:
            line.show(translate(state.stage or STARTING, language), state.fraction)
            time.sleep(LOOK_EVERY_SECONDS)
        return host.engine(name)
    finally:
        line.clear()


class _ProgressLine:
    """One line that is written anew as work proceeds; in a file one line per stage."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_terminal = stream, stream.isatty()
        self._shown = ""

    def show(self, stage: str, fraction: float | None) -> None:
        text = stage
        if self._is_terminal:
            text = CLEAR_LINE + (stage if fraction is None else f"{stage} {fraction:.0%}") + " …"
        if text != self._shown:
            self._stream.write(text if self._is_terminal else text + "\n")
            self._stream.flush()
        self._shown = text

    def clear(self) -> None:
        if self._is_terminal and self._shown:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()
