"""The command line as a whole: errors, languages, exit codes, and the process itself."""

import json
import os
import signal
import subprocess
import sys

import pytest

from glmcore import cli
from glmcore.cli import models
from tests.sources import ROOT


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
    monkeypatch.setattr(models, "list_models", lambda settings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["models"])


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("doctor", "models", "chat"))


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
    assert len(answer["text"]) > 3 and answer["stop_reason"] in ("end", "length")
    assert answer["engine"] == "openvino"
    first_time = {"Preparing the model for the openvino engine, once"}
    assert set(err.splitlines()) <= {"Starting", "Starting the engine", "Warming up", *first_time}


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
    while "Starting the engine" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
