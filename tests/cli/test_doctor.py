"""`doctor`: findings as text, problems marked."""

from pathlib import Path

import pytest

from glmcore.cli import doctor, main
from glmcore.core.errors import ModelLoadError
from glmcore.models import ModelEntry, openvino
from glmcore.models.doctor import Finding


@pytest.fixture(autouse=True)
def models(monkeypatch):
    """What is listed; none at first."""
    found = []
    monkeypatch.setattr(doctor, "list_models", lambda settings: found)
    return found


def test_doctor_without_a_problem(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda settings: [Finding("disk", "fine")])
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == "disk\n  fine\nNo problem found.\n"


def test_doctor_with_a_problem(monkeypatch, capsys):
    found = [
        Finding("disk", "{n} free", {"n": 3}),
        Finding("disk", "{what} is broken", {"what": "it"}, is_problem=True),
    ]
    monkeypatch.setattr(doctor, "examine", lambda settings: found)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out == "disk\n  3 free\n! it is broken\n1 problem found, marked with !\n"


def test_doctor_says_which_engine_answers_and_why_not_the_faster_one(monkeypatch, capsys, models):
    models += [ModelEntry(name, Path(name), "gguf", 1, is_ready=True) for name in ("fit", "odd")]
    reason = ModelLoadError("{path}: it has experts.", path="odd")
    monkeypatch.setattr(openvino, "reason_against", lambda entry, _: reason if entry.name == "odd" else None)
    monkeypatch.setattr(doctor, "examine", lambda settings: [])
    monkeypatch.setenv("GLMCORE_DEVICE", "cpu")
    assert main(["doctor"]) == 0
    told = ["engines", "  fit: openvino", "  odd: transformers; openvino not: odd: it has experts."]
    assert capsys.readouterr().out.splitlines()[:3] == told


def test_doctor_says_what_an_engine_that_the_settings_want_cannot_have(monkeypatch, capsys, models):
    models.append(ModelEntry("odd", Path("odd"), "gguf", 1, is_ready=True))
    reason = ModelLoadError("It has experts.")
    monkeypatch.setattr(openvino, "reason_against", lambda entry, settings: reason)
    monkeypatch.setattr(doctor, "examine", lambda settings: [])
    monkeypatch.setenv("GLMCORE_ENGINE", "openvino")
    assert main(["doctor"]) == 0
    assert "The openvino engine cannot answer with odd" in capsys.readouterr().out
