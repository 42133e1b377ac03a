"""What stands around the curves: notes and marks, files, alerts and their rules."""

import csv
import os
import time

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.core.errors import DataError
from glmcore.core.notes import Note
from glmcore.curves.alerts.rules import AlertAction
from glmcore.curves.alerts.watch import FiredAlert
from glmcore.curves.run import run_id
from glmcore.curves.views.axes import Axis
from glmcore.curves.views.export import iter_shown_csv
from glmcore.ui.curve_charts.element import Picked
from glmcore.ui.curves import export_panel
from glmcore.ui.curves.export_panel import DRAWN_KEY, file_of
from glmcore.ui.curves.live import Pick, pick_of
from glmcore.ui.curves.page import TABS_KEY
from glmcore.ui.curves.remarks_panel import RUN_KEY
from tests.sources import ROOT
from tests.ui.curves_visit import click, jobs, open_page, said, two_runs
from tests.ui.training_runs import BEGAN, write_run
from tests.ui.visits import Server

__all__ = ["two_runs"]


def test_a_note_and_a_mark_are_kept_for_everyone(two_runs: Server) -> None:
    remarks, run = two_runs.services.curves.remarks, run_id(jobs(two_runs) / "first")
    at = open_page()
    at.session_state[TABS_KEY] = "Notes and marks"
    at.session_state[RUN_KEY] = run
    at.run()
    at.text_area[0].set_value("the **good** one")
    click(at, "Save the note")
    assert remarks.of(run).note == "the **good** one"
    at.number_input[0].set_value(30)
    at.text_input[1].set_value("rate <b>lowered</b>")
    click(at, "Add the mark")
    assert [(mark.step, mark.text) for mark in remarks.of(run).marks] == [(30, "rate <b>lowered</b>")]
    assert "**30** rate <b>lowered</b>" in said(at)
    at.button(key=f"unmark_{remarks.of(run).marks[0].id}").click().run()
    assert not remarks.of(run).marks


def test_a_mark_needs_a_text(two_runs: Server) -> None:
    at = open_page()
    at.session_state[TABS_KEY] = "Notes and marks"
    at.run()
    click(at, "Add the mark")
    assert "A mark needs a step and a text." in said(at)


def test_a_point_that_was_clicked_is_told_by_its_step(two_runs: Server) -> None:
    runs, _ = two_runs.services.curves.libraries[0].look([jobs(two_runs)], 5)
    run = next(run for run in runs if run.name == "first")
    for axis, x in (
        (Axis.STEP, 30.2),
        (Axis.EPOCH, 0.5),
        (Axis.TOKENS, 3000.0),
        (Axis.WALL, 1000 * (BEGAN + 30)),
    ):
        assert pick_of(Picked(x, "chart", run.id), "loss", runs, axis) == Pick(run.id, 30)
    assert pick_of(Picked(1.0, "chart", "nobody"), "loss", runs, Axis.STEP) is None
    assert pick_of(Picked(1.0, "chart", run.id), "no chart of this page", runs, Axis.STEP) is None


def test_files_are_written_of_what_is_drawn_now(two_runs: Server) -> None:
    at = open_page(run=run_id(jobs(two_runs) / "second"), zoom="10~20", metric="loss")
    seen = at.session_state[DRAWN_KEY]
    table_text = file_of(iter_shown_csv(seen.runs, seen.view)).decode()
    rows = list(csv.DictReader(table_text.splitlines()))
    assert {row["run"] for row in rows} == {"second"}
    assert {float(row["step"]) for row in rows if row["metric"] == "loss"} == set(range(9, 22))


def test_a_file_that_is_too_large_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(export_panel, "LARGEST_TABLE", 1 << 20)
    assert len(file_of(["x" * 1000] * 1000)) == 1_000_000
    with pytest.raises(DataError, match="more than 1 MB"):
        file_of(["x" * 1000] * 2000)


def test_alert_rules_are_kept(server: Server) -> None:
    write_run(jobs(server) / "first")
    at = open_page()
    at.session_state[TABS_KEY] = "Alert rules"
    at.run()
    at.toggle(key="rule_on_plateau").set_value(True)
    at.number_input(key="rule_at_stall").set_value(30)
    at.selectbox(key="rule_do_nan").set_value("stop")
    click(at, "Save the rules")
    rules = {rule.kind: rule for rule in server.services.curves.alerts.rules()}
    assert rules["plateau"].is_on and rules["stall"].threshold == 30 and rules["nan"].action == "stop"


def test_only_the_latest_alerts_stand_above_the_curves(two_runs: Server) -> None:
    note = Note("loss became NaN at step {step}.", {"step": 30})
    for number in range(5):
        alert = FiredAlert(f"run {number}", f"run {number}", "nan", note, 30, time.time(), AlertAction.NONE)
        two_runs.services.curves.alerts.add(alert)
    at = open_page()
    assert len(at.warning) == 3 and "2 more" in said(at)


def test_alerts_are_shown_here_and_on_the_first_page_until_they_are_put_aside(server: Server) -> None:
    write_run(jobs(server) / "live", pid=os.getpid(), losses={60: float("nan")})
    fired = server.services.curves.watch.look()
    assert [alert.kind for alert in fired] == ["nan"]
    assert "**live**" in said(open_page()) and "NaN" in said(open_page())
    first = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20).run()
    assert any("live" in str(one.value) for one in first.warning)
    first.button(key=f"dismiss_{fired[0].run_id}_nan").click().run()
    assert not first.warning
