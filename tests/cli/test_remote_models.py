"""The terminal offers, examines and asks models of other servers like its own, without torch."""

import json
import os
import subprocess
import sys

import pytest

from glmcore.cli import doctor, main
from tests.chat.remote.fake_server import running_server
from tests.sources import ROOT

PROGRAM = """
import sys
from glmcore.cli import main
code = main(["chat", "--model", "chat@lab", "--prompt", "Why?", "--json"])
print(code, sorted({"torch", "transformers"} & set(sys.modules)))
"""


@pytest.fixture
def lab(monkeypatch):
    with running_server() as server:
        monkeypatch.setenv("GLMCORE_ENDPOINTS", f"lab={server.url}")
        yield server


def test_models_of_servers_are_listed_and_what_is_wrong_with_one_is_said(lab, monkeypatch, capsys):
    monkeypatch.setenv("GLMCORE_ENDPOINTS", f"lab={lab.url},gone=http://127.0.0.1:1/v1")
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split() == ["chat@lab", "remote", "–", "–", "ready"]
    assert err == "The server gone refuses connections at http://127.0.0.1:1/v1; check that it runs there.\n"


def test_doctor_asks_the_servers(lab, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda settings: [])
    assert main(["doctor"]) == 0
    assert f"other servers\n  lab answers at {lab.url}; models: 1\n" in capsys.readouterr().out
    lab.on_list = lambda asked: asked.json({}, 401)
    assert main(["doctor"]) == 1
    assert "! The server lab does not let us in" in capsys.readouterr().out


def test_address_that_is_none_is_said_before_anything_is_done(monkeypatch, capsys):
    monkeypatch.setenv("GLMCORE_ENDPOINTS", "lab=nowhere")
    assert main(["chat", "--prompt", "?"]) == 2 and "'lab' is not one of a server" in capsys.readouterr().err


def test_adapter_of_this_machine_is_refused_for_them(lab, capsys):
    assert main(["chat", "--model", "chat@lab", "--adapter", "mine", "--prompt", "?"]) == 2
    assert "answers on another server" in capsys.readouterr().err


def test_question_is_answered_by_a_server_without_torch(lab):
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    answer, end = done.stdout.splitlines()
    assert (json.loads(answer)["text"], json.loads(answer)["model"]) == ("An answer.", "chat@lab")
    assert end == "0 []", done.stderr
