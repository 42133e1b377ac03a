"""`doctor`: findings as text, problems marked."""

from glmcore.cli import doctor, main
from glmcore.models.doctor import Finding


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
