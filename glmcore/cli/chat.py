"""`chat`: one question or a conversation with a model, loaded here."""

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from glmcore.chat.engine import ChatEngine
from glmcore.chat.engine_choice import choose_engine
from glmcore.chat.model_host import ModelHost
from glmcore.chat.remote import RemoteModels
from glmcore.chat.terminal import EXIT_INTERRUPTED, TerminalChat, stream_answer, writer_to
from glmcore.cli.arguments import Commands, add_command, readable
from glmcore.cli.progress_line import ProgressLine
from glmcore.core.errors import ConfigError, DataError, GlmcoreError
from glmcore.core.i18n import mark, translate
from glmcore.core.messages import PARAM_RANGES, ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.settings import ENGINES, Settings
from glmcore.models.adapters.folders import find_adapter
from glmcore.models.sources import find_model

LOOK_EVERY_SECONDS = 0.1  # at how far loading is
STARTING = mark("Starting")


def add_chat(commands: Commands, language: str) -> None:
    help_text = translate("talk to a model, or ask it one question", language)
    chat = add_command(commands, "chat", help_text, run_chat, language)
    _add_question(chat, language)
    _add_sampling(chat, language)


def _add_question(chat: argparse.ArgumentParser, language: str) -> None:
    _ = partial(translate, language=language)
    group = chat.add_argument_group(_("Question"))
    text = partial(group.add_argument, metavar="TEXT", type=readable)
    group.add_argument("--model", help=_("a name, a folder or a .gguf file; the setting model by default"))
    adapter_help = _("an adapter to answer with: a name of `models adapters`, or a folder")
    group.add_argument("--adapter", help=adapter_help)
    engine_help = _("engine to answer with; the setting engine by default")
    group.add_argument("--engine", choices=ENGINES, help=engine_help)
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
    group.add_argument("--stop", metavar="TEXT", type=readable, action="append", help=stop_help)


def run_chat(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    given = _given_sampling(arguments)
    GenerationParams(**given)  # what is out of range is said before the model is loaded
    model = (arguments.model or settings.model).strip()
    remote = RemoteModels(settings).find(model)
    entry = remote or find_model(model, settings)  # and so is a name that means nothing
    choose_engine(entry, settings, arguments.engine)
    if remote is None and arguments.adapter is not None:
        find_adapter(arguments.adapter, settings)
    question = _read_question(arguments)
    _quiet_libraries()
    host = ModelHost(settings)
    try:
        engine = _load(host, model, arguments.adapter, arguments.engine, language)
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
    given = {name: getattr(arguments, name) for name in PARAM_RANGES if getattr(arguments, name) is not None}
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


def _load(host: ModelHost, name: str, adapter: str | None, kind: str | None, language: str) -> ChatEngine:
    """The engine of a model; how far loading is goes to stderr."""
    line = ProgressLine(sys.stderr)
    try:
        host.start_loading(name, kind)
        while (state := host.state(name, kind)) is not None and not state.is_ready and state.error is None:
            line.show(translate(state.stage or STARTING, language), state.fraction)
            time.sleep(LOOK_EVERY_SECONDS)
        return host.engine(name, adapter=adapter, engine=kind)
    finally:
        line.clear()


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
            "engine": facts.engine,
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
