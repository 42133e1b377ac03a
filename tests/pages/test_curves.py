"""The curves page as one reader sees it; what needs a browser is in tests/e2e."""

import json
import os
import shutil
from pathlib import Path

import pytest

from glmcore.curves import library
from glmcore.curves.run import run_id
from glmcore.ui.curves.export_panel import DRAWN_KEY
from glmcore.ui.curves.state import STATE_KEY, widget_key
from tests.ui.curves_visit import click, jobs, open_page, said, table, two_runs
from tests.ui.training_runs import BEGAN, write_run
from tests.ui.visits import Server, forget_services

__all__ = ["two_runs"]


def test_without_runs_it_says_how_to_start_one(server: Server) -> None:
    at = open_page()
    assert "No run has written anything yet" in said(at) and "python -m glmcore train" in said(at)
    assert not at.dataframe


def test_runs_are_listed_with_best_and_last_values_and_what_differs(two_runs: Server) -> None:
    rows = {row["name"]: row for row in table(open_page())}
    assert set(rows) == {"first", "second"}
    assert rows["first"]["state"] == "finished" and rows["first"]["step"] == 60
    assert rows["first"]["best eval_loss"] == pytest.approx(1.11)
    assert rows["first"]["best loss"] == pytest.approx(rows["first"]["last loss"])
    assert rows["first"]["min loss"] < rows["first"]["max loss"] and "min eval_loss" in rows["first"]
    assert rows["second"]["config learning_rate"] == "0.002"
    assert "config method" not in rows["first"], "it is the same in both"


def test_each_run_is_read_in_words(two_runs: Server) -> None:
    text = said(open_page())
    assert "In words" in text and "**first**" in text and "still falling" in text


def test_the_filter_finds_runs_by_name_and_by_setting(two_runs: Server) -> None:
    at = open_page()
    box = at.text_input(key=widget_key("find"))
    box.set_value("learning_rate>1e-3").run()
    assert [row["name"] for row in table(at)] == ["second"]
    at.text_input(key=widget_key("find")).set_value("-second").run()
    assert [row["name"] for row in table(at)] == ["first"]
    at.text_input(key=widget_key("find")).set_value("nothing like it").run()
    assert "No run fits the filter" in said(at)
    at.text_input(key=widget_key("find")).set_value('"open').run()
    assert at.warning and len(table(at)) == 2, "a query that cannot be read hides nothing"


def test_the_view_is_in_the_address_and_comes_back_from_it(two_runs: Server) -> None:
    at = open_page()
    at.segmented_control(key=widget_key("axis")).set_value("epoch").run()
    at.toggle(key=widget_key("log")).set_value(True).run()
    at.slider(key=widget_key("smooth")).set_value(0.9).run()
    assert at.query_params["axis"] == "epoch" and at.query_params["log"] == "1"
    again = open_page(axis="epoch", log="1", smooth="0.9", zoom="0.2~0.5")
    assert again.segmented_control(key=widget_key("axis")).value == "epoch"
    assert again.toggle(key=widget_key("log")).value and again.slider(key=widget_key("smooth")).value == 0.9
    assert again.session_state[STATE_KEY].zoom == (0.2, 0.5)


def test_an_address_that_makes_no_sense_shows_the_usual_view(two_runs: Server) -> None:
    at = open_page(axis="sideways", run=["nobody"], metric="none", group="gone", zoom="x")
    assert len(table(at)) == 2 and at.segmented_control(key=widget_key("axis")).value == "step"


def test_an_address_that_asks_for_too_much_gets_what_there_is(
    two_runs: Server, tmp_path, monkeypatch
) -> None:
    (tmp_path / "logs").mkdir()
    monkeypatch.setenv("GLMCORE_LOG_ROOTS", str(tmp_path / "logs"))
    forget_services()
    for number in range(41):
        write_run(jobs(two_runs) / f"run-{number}", steps=2)
    ids = [run_id(path) for path in sorted(jobs(two_runs).iterdir())]
    at = open_page(folder="9", smooth="0.999", run=ids, higher=[f"metric {n}" for n in range(50)])
    assert len(at.multiselect(key=widget_key("run")).value) == 40
    assert at.slider(key=widget_key("smooth")).value == 0.99
    assert at.selectbox(key=widget_key("folder")).value == 0


def test_a_link_names_the_runs_that_are_drawn(two_runs: Server) -> None:
    chosen = run_id(jobs(two_runs) / "second")
    at = open_page(run=chosen)
    assert at.multiselect(key=widget_key("run")).value == [chosen]
    assert "**second**" in said(at) and "**first**" not in said(at)
    assert len(table(at)) == 2, "the table lists all that are found"


def test_reset_gives_the_usual_view_back(two_runs: Server) -> None:
    at = open_page(axis="epoch", log="1", clip="1")
    click(at, "Reset")
    assert at.segmented_control(key=widget_key("axis")).value == "step"
    assert "axis" not in at.query_params and "log" not in at.query_params


def test_what_cannot_be_read_is_counted_and_shown(server: Server) -> None:
    folder = write_run(jobs(server) / "broken")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("this is no JSON\n" * 3)
    assert "3" in said(open_page()) and "this is no JSON" in said(open_page())


def test_hostile_names_are_shown_as_text(server: Server) -> None:
    folder = write_run(jobs(server) / "<img src=x onerror=alert(1)>")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"<script>x</script>": 1.0, "step": 61}) + "\n")
    at = open_page()
    assert table(at)[0]["name"] == "<img src=x onerror=alert(1)>"
    assert r"\<img src\=x" in "\n".join(str(one.value) for one in at.markdown)


def test_a_range_of_the_axis_is_forgotten_with_the_axis(two_runs: Server) -> None:
    at = open_page(zoom="10~20")
    assert at.session_state[STATE_KEY].zoom == (10, 20)
    at.segmented_control(key=widget_key("axis")).set_value("epoch").run()
    assert at.session_state[STATE_KEY].zoom is None and "zoom" not in at.query_params


def test_runs_are_listed_newest_first_and_the_ten_latest_are_drawn(server: Server) -> None:
    for number in range(12):
        write_run(jobs(server) / f"run-{11 - number:02d}", steps=3, began=BEGAN + 1000 * number)
    at = open_page()
    assert [row["name"] for row in table(at)] == [f"run-{number:02d}" for number in range(12)]
    assert [isinstance(row["colour"], str) for row in table(at)] == [True] * 10 + [False] * 2


def test_a_run_that_comes_changes_no_colour_and_one_that_goes_neither(two_runs: Server, monkeypatch) -> None:
    for name in ("FIND_SECONDS", "FIND_SHARE", "SHARED_SECONDS"):
        monkeypatch.setattr(library, name, -1.0)
    at = open_page()
    before = {row["name"]: row["colour"] for row in table(at)}
    write_run(jobs(two_runs) / "newcomer", began=BEGAN - 1e6)
    at.run()
    now = {row["name"]: row["colour"] for row in table(at)}
    assert len(now) == 3 and before.items() <= now.items()
    shutil.rmtree(jobs(two_runs) / "first")
    at.run()
    assert {row["name"]: row["colour"] for row in table(at)} == {
        name: now[name] for name in ("second", "newcomer")
    }


def test_the_table_has_the_colours_of_the_groups(two_runs: Server) -> None:
    write_run(jobs(two_runs) / "third", rate=1e-3, seed=3)
    colours = {row["name"]: row["colour"] for row in table(open_page(group="learning_rate"))}
    assert colours["first"] == colours["third"] != colours["second"]


def test_runs_that_the_filter_leaves_out_are_not_drawn(two_runs: Server) -> None:
    at = open_page(run=[run_id(jobs(two_runs) / name) for name in ("first", "second")], find="-first")
    assert [row["name"] for row in table(at)] == ["second"] and "**first**" not in said(at)
    assert [run.name for run in at.session_state[DRAWN_KEY].runs] == ["second"]


def test_further_folders_of_logs_are_offered(server: Server, tmp_path: Path, monkeypatch) -> None:
    logs = tmp_path / "elsewhere"
    (logs / "run").mkdir(parents=True)
    lines = [json.dumps({"current_steps": step, "loss": 1 / step, "lr": 1e-4}) for step in range(1, 30)]
    (logs / "run/trainer_log.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("GLMCORE_LOG_ROOTS", str(logs))
    forget_services()
    at = open_page(folder="1")
    assert at.selectbox(key=widget_key("folder")).value == 1
    assert [row["name"] for row in table(at)] == ["run"]
    assert table(at)[0]["last loss"] == pytest.approx(1 / 29)


def test_a_live_run_is_followed_and_one_that_died_is_called_lost(server: Server) -> None:
    write_run(jobs(server) / "live", pid=os.getpid())
    write_run(jobs(server) / "dead", pid=2**22 + 1)
    at = open_page()
    assert {row["name"]: row["state"] for row in table(at)} == {"live": "running", "dead": "lost"}
    assert "1 of them live" in said(at)


def test_it_speaks_chinese(two_runs: Server) -> None:
    at = open_page(locale="zh-CN")
    assert at.title[0].value == "曲线"
