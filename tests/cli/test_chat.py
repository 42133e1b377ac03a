"""`chat`: one question with its answer, or a conversation."""

import io
import json
import signal
import threading
import time

import pytest

from glmcore.chat.model_host import ModelHost
from glmcore.cli import chat, main
from glmcore.core.errors import EngineError, ModelLoadError
from glmcore.models import openvino
from tests.fakes import FakeEngine
from tests.models.reference import prefix_folder


@pytest.fixture
def engine(monkeypatch):
    """The engine that every model name gives."""
    fake = FakeEngine(["Paris is it."])

    def build(entry, settings, progress):
        progress("Loading the weights", 0.5)
        time.sleep(2 * chat.LOOK_EVERY_SECONDS)
        return fake

    monkeypatch.setattr(chat, "LOOK_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(chat, "ModelHost", lambda settings: ModelHost(settings, build))
    return fake


def type_lines(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_prompt_is_answered_with_the_text_alone_on_stdout(engine, capsys):
    assert main(["chat", "--prompt", "Capital of France?", "--system", "Be brief."]) == 0
    out, err = capsys.readouterr()
    assert out == "Paris is it.\n"
    assert "Loading the weights\n" in err and err.count("Loading") == 1
    assert [message.role for message in engine.requests[0].messages] == ["system", "user"]
    assert engine.is_closed


def test_json_gives_one_object_with_the_facts(engine, capsys):
    assert main(["chat", "--prompt", "Capital of France?", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.pop("seconds") >= 0
    assert answer == {
        "text": "Paris is it.",
        "model": "fake",
        "engine": "fake",
        "prompt_tokens": 3,
        "completion_tokens": 3,
        "stop_reason": "end",
    }


def test_question_is_read_from_standard_input(engine, monkeypatch):
    type_lines(monkeypatch, "  two\nlines\n")
    assert main(["chat", "--prompt", "-"]) == 0
    assert engine.requests[0].messages[-1].content == "  two\nlines"


def test_flags_replace_what_the_model_recommends(engine):
    flags = ["--greedy", "--top-k", "7", "--max-new-tokens", "2", "--seed", "1", "--stop", "a", "--stop", "b"]
    main(["chat", "--prompt", "hi", *flags])
    params = engine.requests[0].params
    assert (params.temperature, params.top_k, params.max_new_tokens) == (0.0, 7, 2)
    assert (params.seed, params.stop) == (1, ("a", "b"))
    assert params.top_p == engine.default_params.top_p


def test_adapter_answers_instead_of_its_base(monkeypatch, capsys):
    asked = []

    def attach(base, adapter, settings):
        asked.append(adapter)
        return FakeEngine(["As tuned."])

    build = [lambda entry, settings, progress: FakeEngine(), attach]
    monkeypatch.setattr(chat, "ModelHost", lambda settings: ModelHost(settings, *build))
    folder = str(prefix_folder("chatglm-6b", "prefix"))
    assert main(["chat", "--prompt", "hi", "--adapter", folder]) == 0
    assert capsys.readouterr().out == "As tuned.\n"
    assert asked == [folder]


def test_unknown_adapter_is_said_before_the_model_is_loaded(monkeypatch, capsys):
    monkeypatch.setattr(chat, "ModelHost", lambda settings: pytest.fail("loaded"))
    assert main(["chat", "--prompt", "hi", "--adapter", "nonsense"]) == 2
    assert "There is no adapter 'nonsense'" in capsys.readouterr().err


def test_chat_reads_lines_until_they_end(engine, monkeypatch, capsys):
    type_lines(monkeypatch, "Capital of France?\n")
    assert main(["chat"]) == 0
    assert "fake: Paris is it.\n" in capsys.readouterr().out


def test_ctrl_c_while_the_model_loads_ends_with_130(monkeypatch, capsys):
    def press_ctrl_c(*arguments):
        signal.raise_signal(signal.SIGINT)
        return FakeEngine()

    monkeypatch.setattr(chat, "ModelHost", lambda settings: ModelHost(settings, press_ctrl_c))
    assert main(["chat", "--prompt", "hi"]) == 130
    assert capsys.readouterr().out == ""


class PressingCtrlC:
    """A gate that lets one piece pass, then sends SIGINT and stays shut until the stream is cancelled."""

    def __init__(self):
        self._num_pieces, self._is_cancelled = 0, threading.Event()

    def acquire(self):
        self._num_pieces += 1
        if self._num_pieces > 1:
            signal.raise_signal(signal.SIGINT)
            self._is_cancelled.wait(10)

    def release(self):
        self._is_cancelled.set()


def test_ctrl_c_ends_an_answer_with_its_part_and_130(engine, capsys):
    engine._gate, engine._answers = PressingCtrlC(), iter([["part", "never"]])
    assert main(["chat", "--prompt", "hi", "--json"]) == 130
    answer = json.loads(capsys.readouterr().out)
    assert (answer["text"], answer["stop_reason"]) == ("part", "cancelled")


def test_error_of_an_answer_comes_after_its_part(engine, capsys):
    engine._answers = iter([["half ", EngineError("It broke.")]])
    assert main(["chat", "--prompt", "hi"]) == 2
    out, err = capsys.readouterr()
    assert out == "half \n" and err.endswith("It broke.\n")


@pytest.mark.parametrize("arguments", [["--prompt", "caf\udce9"], ["--prompt", "-"]])
def test_bytes_that_are_no_text_are_replaced(arguments, engine, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))
    assert main(["chat", *arguments]) == 0
    assert engine.requests[0].messages[-1].content == "caf\ufffd"


def test_engine_is_chosen_and_one_that_cannot_have_the_model_is_said_before_it_is_loaded(
    engine, monkeypatch, capsys
):
    asked = []

    def build(entry, settings, progress):
        asked.append(settings.engine)
        return engine

    monkeypatch.setattr(chat, "ModelHost", lambda settings: ModelHost(settings, build))
    monkeypatch.setattr(openvino, "reason_against", lambda entry, settings: None)
    assert main(["chat", "--prompt", "hi", "--engine", "transformers"]) == 0
    monkeypatch.setattr(openvino, "reason_against", lambda *_: ModelLoadError("It has experts."))
    assert main(["chat", "--prompt", "hi", "--engine", "openvino"]) == 2
    assert "It has experts." in capsys.readouterr().err
    assert asked == ["transformers"]
