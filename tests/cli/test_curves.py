"""`curves`: what is told of runs, in a terminal, in a file, once and again."""

import argparse
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glmcore.cli import curves, main
from glmcore.cli.curves_report import Report
from glmcore.core.notes import Note
from glmcore.curves.findings.finding import Finding, Severity
from glmcore.curves.numbers import as_floats
from glmcore.curves.run import Run, RunState, RunStatus
from glmcore.curves.series import make_series
from glmcore.curves.views.axes import Axis

STEPS = as_floats(range(1, 101))
CLOCK = 1_700_000_000.0


def a_run(name="demo", state=RunState.FINISHED, revision=1, problems=(), **values):
    values = values or {"loss": 3.0 / STEPS, "eval_loss": 4.0 / STEPS}
    made = {
        metric.replace("__", "/"): make_series(
            STEPS[: len(column)], as_floats(column), CLOCK + STEPS[: len(column)]
        )
        for metric, column in values.items()
    }
    status = RunStatus(state, total_steps=200.0)
    return Run(name, name, Path(name), "metrics.jsonl", made, {}, status, tuple(problems), revision)


def no_findings(run):
    return []


def told(run):
    first = ("It is so.", Severity.INFO) if run.name != "bad" else ("Spike at step {step}.", Severity.PROBLEM)
    return [
        Finding("best", Severity.GOOD, Note("All is well."), "loss", 1, 2),
        Finding("other", first[1], Note(first[0], {"step": 7}), "loss", 1, 2),
    ]


def text_of(*runs, notes=(), read=no_findings, **options):
    return Report(**options).text(list(runs), notes, read)


def test_table_tells_state_step_best_and_last():
    header, row, *_ = text_of(a_run()).split("\n")
    assert header.split("  ")[0] == "run" and "loss, best" in header and "eval_loss, last" in header
    assert row.split() == [
        "demo",
        "finished",
        "100/200",
        "0.03",
        "@",
        "100",
        "0.03",
        "0.04",
        "@",
        "100",
        "0.04",
        "–",
    ]


def test_losses_share_a_chart_and_single_values_of_a_trainer_are_left_out():
    text = text_of(a_run(loss=STEPS, eval_loss=STEPS, train_loss=[1.5]))
    assert text.count("└") == 1 and "━ loss  o eval_loss" in text and "train_loss" not in text
    assert "train_loss, best" in text_of(a_run(train_loss=[1.5]))


def test_each_measure_that_is_named_has_a_chart():
    text = text_of(a_run(loss=STEPS, acc=STEPS, eval_acc=STEPS), metrics=("acc", "loss", "eval_acc"))
    assert text.count("└") == 2
    assert "acc · Step" in text and "eval_acc, best" in text and "100 @ 100" in text


def test_measure_without_a_direction_has_no_best():
    header = text_of(a_run(learning_rate=STEPS), metrics=("learning_rate",)).split("\n")[0]
    assert "learning_rate, last" in header and "best" not in header


def test_nan_only_and_absent_curves_are_dashes():
    text = text_of(a_run("a", loss=np.full(3, np.nan)), a_run("b", acc=STEPS), metrics=("loss",))
    rows = text.split("\n")
    assert rows[1].split() == ["a", "finished", "3/200", "–", "–", "–", "×××"]
    assert rows[2].split() == ["b", "finished", "100/200", "–", "–", "–"]
    assert "NaN/Inf: 3" in text


def test_runs_without_any_point_are_a_table():
    empty = replace(a_run(), curves={})
    assert text_of(empty).split("\n")[1].split() == ["demo", "finished", "–", "–"]


def test_findings_are_sorted_signed_and_counted():
    text = text_of(a_run("good"), a_run("bad"), read=told)
    assert "✗1 ✓1" in text and "·1 ✓1" in text
    assert text.endswith("good\n· It is so.\n✓ All is well.\n\nbad\n✗ Spike at step 7.\n✓ All is well.")
    assert "Spike" not in text_of(a_run("bad"), read=told, has_findings=False)


def test_of_many_runs_only_worries_are_told():
    text = text_of(a_run("bad"), *(a_run(f"run{number}") for number in range(6)), read=told)
    assert "✗ Spike" in text and "It is so." not in text
    assert "Findings that are no worry: 13;" in text


def test_what_could_not_be_read_is_told_last():
    note = Note("{count} lines are broken ({example}).", {"count": 2, "example": "\x1b[2Jx"})
    text = text_of(a_run(problems=[note]), notes=[Note("A folder is closed.")])
    assert text.endswith("A folder is closed.\ndemo: 2 lines are broken (x).")


def test_names_of_logs_cannot_drive_the_terminal():
    hostile = "\x1b[2J\x07" + "x" * 500
    text = text_of(a_run(hostile, **{hostile: STEPS}), metrics=(hostile,))
    assert "\x1b" not in text and "\x07" not in text
    assert max(map(len, text.split("\n"))) < 200


def test_terminal_without_braille_gets_ascii():
    text = text_of(a_run("a"), a_run("b", loss=[1.0]), read=told, ascii_only=True)
    assert text.isascii() and "x1" not in text.split("\n")[1] and "+ All is well." in text


def test_many_curves_are_not_all_drawn():
    text = text_of(*(a_run(f"run{number}", loss=STEPS) for number in range(30)))
    assert "as there are too many: 6." in text


def test_smoothing_logarithm_and_width_reach_the_chart():
    values = np.ones(100)
    values[50] = 1000.0
    spiky = text_of(a_run(loss=values), width=60)
    assert "1000" in spiky and "1000 ┤" not in text_of(a_run(loss=values), smoothing=0.9)
    assert "100 ┤" in text_of(a_run(loss=values), is_log=True)
    assert max(len(row) for row in spiky.split("\n")[3:]) <= 60


@pytest.mark.parametrize(
    ("axis", "ends"), [("step", ["1", "100"]), ("relative", ["0:00:00", "0:01:39"]), ("wall", ["2023-11-1"])]
)
def test_axis_is_labelled_in_its_own_way(axis, ends):
    last = text_of(a_run(loss=STEPS), axis=axis).split("\n")[-2]
    assert all(end in last for end in ends)


def test_axis_that_a_log_does_not_know_is_told():
    text = text_of(a_run(loss=STEPS), axis="tokens")
    assert text.endswith("loss: curves without a place on this axis: 1.")


def test_axes_of_the_command_are_those_of_the_charts():
    assert tuple(Axis) == curves.AXES


class Looks:
    """Runs as they are at each look; asleep it counts."""

    def __init__(self, *states):
        self.states, self.naps = list(states), []

    def __call__(self):
        return (self.states.pop(0) if len(self.states) > 1 else self.states[0]), ()

    def sleep(self, seconds):
        self.naps.append(seconds)
        if len(self.naps) > 20:
            raise KeyboardInterrupt


def test_watching_shows_changes_until_no_run_goes_on(capsys):
    live = a_run(state=RunState.RUNNING)
    looks = Looks([live], [live], [replace(live, revision=2)], [a_run()])
    curves.watch(looks, Report(has_charts=False, has_findings=False), 2.0, looks.sleep)
    out = capsys.readouterr().out
    assert looks.naps == [2.0] * 3 and out.count("demo  running") == 2 and out.count("demo  finished") == 1
    assert out.endswith("No run goes on any more.\n") and "\x1b" not in out


def test_watching_in_a_terminal_draws_in_place_and_fits(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("LINES", "16")
    live = a_run(state=RunState.RUNNING)
    looks = Looks([live], [a_run()])
    curves.watch(looks, Report(has_findings=False), 2.0, looks.sleep)
    screens = capsys.readouterr().out.split("\x1b[H")[1:]
    assert len(screens) == 2 and all(screen.count("\x1b[K\n") < 16 for screen in screens)


def test_watching_ends_by_an_interrupt(capsys):
    looks = Looks([a_run(state=RunState.RUNNING)])
    with pytest.raises(KeyboardInterrupt):
        curves.watch(looks, Report(has_charts=False, has_findings=False), 2.0, looks.sleep)
    assert capsys.readouterr().out.count("running") == 1


@pytest.fixture
def folder(tmp_path):
    """Two runs of another program on the disk."""
    for number in (1, 2):
        path = tmp_path / "runs" / f"run{number}" / "trainer_log.jsonl"
        path.parent.mkdir(parents=True)
        rows = [{"current_steps": step, "loss": number / step, "lr": 1e-4} for step in range(1, 51)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"half')
    return str(tmp_path / "runs")


def test_folder_is_shown(folder, capsys):
    assert main(["curves", folder, "--no-chart"]) == 0
    out = capsys.readouterr().out
    assert [row.split()[0] for row in out.split("\n")[:3]] == ["run", "run1", "run2"] and "\x1b" not in out


def test_every_point_is_written_to_a_file_and_to_the_output(folder, tmp_path, capsys):
    target = tmp_path / "all.csv"
    assert main(["curves", folder, "--csv", str(target)]) == 0
    assert "all.csv" in capsys.readouterr().out
    assert main(["curves", folder, "--csv", "-"]) == 0
    text = target.read_text()
    assert capsys.readouterr().out == text and len(list(csv.DictReader(text.splitlines()))) == 200
    assert main(["curves", folder, "--csv", "-", "--metric", "loss"]) == 0
    assert capsys.readouterr().out.count("\n") == 101
    assert {path.name for path in tmp_path.iterdir()} <= {"all.csv", "runs", "home"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{folder}", "--metric", "los"], "No run has a metric 'los'; did you mean loss?"),
        (["{folder}", "--smooth", "1"], "The smoothing is 1.0"),
        (["{folder}", "--smooth", "nan"], "The smoothing is nan"),
        (["{folder}", "--watch", "0"], "--watch is 0.0; expected seconds from 0.5 to 3600.0"),
        (["{folder}", "--watch", "nan"], "--watch is nan"),
        (["{folder}", "--watch", "--csv", "-"], "--csv and --watch were both given"),
        (["{folder}", "--csv", "{folder}"], "which is not a file"),
        (["{folder}", "--csv", "/absent/folder/x.csv"], "cannot be written"),
        (["{folder}", "--axis", "time"], "invalid choice: 'time'"),
        ([], "required: PATH"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_2(arguments, sentence, folder, capsys):
    assert main(["curves", *(text.format(folder=folder) for text in arguments)]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and not out


def test_no_run_is_1_and_says_where_was_looked(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["curves", "empty", "absent"]) == 1
    out, err = capsys.readouterr()
    assert err.endswith("No run was found in empty, absent: no log of a known form lies there.\n") and not out


def test_interrupted_command_ends_with_130(folder, monkeypatch, capsys):
    def interrupt(arguments: argparse.Namespace, *others):
        raise KeyboardInterrupt

    monkeypatch.setattr(curves, "_write_csv", interrupt)
    assert main(["curves", folder, "--csv", "-"]) == 130 and not capsys.readouterr().err
