"""The commands of `python -m glmcore`."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from glmcore import cli
from glmcore.chat.model_host import ModelHost
from glmcore.core.errors import EngineError
from glmcore.models import doctor
from tests.fakes import FakeEngine
from tests.sources import ROOT


@pytest.fixture(autouse=True)
def english_in_an_empty_home(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("GLMCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GLMCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")  # the command sets these two when they are not set
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def engine(monkeypatch):
    """The engine that every model name gives."""
    fake = FakeEngine(["Paris is it."])

    def build(entry, settings, progress):
        progress("Loading the weights", 0.5)
        time.sleep(2 * cli.LOOK_EVERY_SECONDS)
        return fake

    monkeypatch.setattr(cli, "LOOK_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(cli, "ModelHost", lambda settings: ModelHost(settings, build))
    return fake


def type_lines(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


# chat


def test_prompt_is_answered_with_the_text_alone_on_stdout(engine, capsys):
    assert cli.main(["chat", "--prompt", "Capital of France?", "--system", "Be brief."]) == 0
    out, err = capsys.readouterr()
    assert out == "Paris is it.\n"
    assert "Loading the weights\n" in err and err.count("Loading") == 1
    assert [message.role for message in engine.requests[0].messages] == ["system", "user"]
    assert engine.is_closed


def test_json_gives_one_object_with_the_facts(engine, capsys):
    assert cli.main(["chat", "--prompt", "Capital of France?", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.pop("seconds") >= 0
    assert answer == {
        "text": "Paris is it.",
        "model": "fake",
        "prompt_tokens": 3,
        "completion_tokens": 3,
        "stop_reason": "end",
    }


def test_question_is_read_from_standard_input(engine, monkeypatch):
    type_lines(monkeypatch, "  two\nlines\n")
    assert cli.main(["chat", "--prompt", "-"]) == 0
    assert engine.requests[0].messages[-1].content == "  two\nlines"


def test_flags_replace_what_the_model_recommends(engine):
    flags = ["--greedy", "--top-k", "7", "--max-new-tokens", "2", "--seed", "1", "--stop", "a", "--stop", "b"]
    cli.main(["chat", "--prompt", "hi", *flags])
    params = engine.requests[0].params
    assert (params.temperature, params.top_k, params.max_new_tokens) == (0.0, 7, 2)
    assert (params.seed, params.stop) == (1, ("a", "b"))
    assert params.top_p == engine.default_params.top_p


def test_chat_reads_lines_until_they_end(engine, monkeypatch, capsys):
    type_lines(monkeypatch, "Capital of France?\n")
    assert cli.main(["chat"]) == 0
    assert "fake: Paris is it.\n" in capsys.readouterr().out


def test_ctrl_c_while_the_model_loads_ends_with_130(monkeypatch, capsys):
    def press_ctrl_c(*arguments):
        signal.raise_signal(signal.SIGINT)
        return FakeEngine()

    monkeypatch.setattr(cli, "ModelHost", lambda settings: ModelHost(settings, press_ctrl_c))
    assert cli.main(["chat", "--prompt", "hi"]) == 130
    assert capsys.readouterr().out == ""


def test_ctrl_c_ends_an_answer_with_its_part_and_130(engine, capsys):
    gate = threading.Semaphore(1)
    engine._gate, engine._answers = gate, iter([["part", "never"]])
    engine_is_asked = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    engine_is_asked.start()
    assert cli.main(["chat", "--prompt", "hi", "--json"]) == 130
    answer = json.loads(capsys.readouterr().out)
    assert (answer["text"], answer["stop_reason"]) == ("part", "cancelled")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chat", "--prompt", " "], "question of --prompt is empty"),
        (["chat", "--json"], "--json needs a question"),
        (["chat", "--temperature", "9"], "temperature is 9.0; expected a number from 0.0 to 2.0."),
        (["chat", "--temperature", "hot"], "invalid float value: 'hot'"),
        (["chat", "--greedy", "--temperature", "1"], "not allowed with argument"),
        (["chat", "--model", "nonsense", "--prompt", "hi"], "There is no model 'nonsense'"),
        (["chat", "--model", "./absent", "--prompt", "hi"], "./absent: there is no such model folder"),
        (["sing"], "invalid choice: 'sing'"),
        ([], "required"),
    ],
)
def test_error_is_one_line_and_exit_code_2(arguments, sentence, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1
    assert out == ""


def test_error_of_an_answer_comes_after_its_part(engine, capsys):
    engine._answers = iter([["half ", EngineError("It broke.")]])
    assert cli.main(["chat", "--prompt", "hi"]) == 2
    out, err = capsys.readouterr()
    assert out == "half \n" and err.endswith("It broke.\n")


def test_error_is_said_in_the_language_of_the_settings(monkeypatch, capsys):
    monkeypatch.setenv("GLMCORE_LANGUAGE", "zh")
    monkeypatch.setattr(cli, "translate_error", lambda error, language: language)
    assert cli.main(["sing"]) == 2
    assert capsys.readouterr().err == "zh\n"


def test_bad_settings_are_an_error(monkeypatch, capsys):
    monkeypatch.setenv("GLMCORE_DEVICE", "toaster")
    assert cli.main(["doctor"]) == 2
    assert "GLMCORE_DEVICE is 'toaster'" in capsys.readouterr().err


def test_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(cli, "list_models", lambda settings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["models"])


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("doctor", "models", "chat"))


def test_loading_is_one_line_on_a_terminal():
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    line = cli._ProgressLine(terminal)
    for fraction in (0.1, 0.5, 0.5, None):
        line.show("Downloading", fraction)
    line.clear()
    shown = terminal.getvalue().split(cli.CLEAR_LINE)
    assert shown == ["", "Downloading 10% …", "Downloading 50% …", "Downloading …", ""]


@pytest.mark.parametrize("arguments", [["--prompt", "caf\udce9"], ["--prompt", "-"]])
def test_bytes_that_are_no_text_are_replaced(arguments, engine, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))
    assert cli.main(["chat", *arguments]) == 0
    assert engine.requests[0].messages[-1].content == "caf\ufffd"


# doctor and models


def test_doctor_without_a_problem(monkeypatch, capsys):
    monkeypatch.setattr(cli, "examine", lambda settings: [doctor.Finding("disk", "fine")])
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out == "disk\n  fine\nNo problem found.\n"


def test_doctor_with_a_problem(monkeypatch, capsys):
    found = [
        doctor.Finding("disk", "{n} free", {"n": 3}),
        doctor.Finding("disk", "{what} is broken", {"what": "it"}, is_problem=True),
    ]
    monkeypatch.setattr(cli, "examine", lambda settings: found)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out == "disk\n  3 free\n! it is broken\n1 problem found, marked with !\n"


@pytest.mark.parametrize("arguments", [["models"], ["models", "list"]])
def test_models_are_listed(arguments, capsys):
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.split() == [
        "SmolLM2-135M-Instruct",
        "embedded",
        "–",
        "not",
        "fetched",
        "yet",
    ]


# The process itself.


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "glmcore", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_commands_are_known_without_torch():
    program = "import sys, glmcore.cli; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False False\n"


def test_closed_pipe_ends_quietly():
    process = start("models")
    process.stdout.close()
    assert process.wait(60) == cli.EXIT_BROKEN_PIPE
    assert process.stderr.read() == ""


@pytest.mark.slow
def test_real_model_answers_in_the_terminal(embedded_home):
    environment = {"GLMCORE_HOME": str(embedded_home), "GLMCORE_ALLOW_HUB": "false"}
    process = start("chat", "--prompt", "What is the capital of France?", "--greedy", "--json", **environment)
    out, err = process.communicate(timeout=200)
    answer = json.loads(out)
    assert process.returncode == 0, err
    assert "Paris" in answer["text"] and answer["stop_reason"] == "end"
    assert set(err.splitlines()) <= {"Starting", "Loading the weights", "Warming up"}


@pytest.mark.slow
def test_ctrl_c_stops_a_real_answer(embedded_home):
    process = start("chat", "--prompt", "Write a long story.", "--greedy", GLMCORE_HOME=str(embedded_home))
    first = process.stdout.read(20)
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert len(first) == 20 and rest.endswith("\n") and "Traceback" not in err


@pytest.mark.slow
def test_ctrl_c_while_a_real_model_loads_does_not_abort(embedded_home):
    process = start("chat", GLMCORE_HOME=str(embedded_home))
    while "Warming up" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
