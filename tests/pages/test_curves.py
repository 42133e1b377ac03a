"""The curves page as one reader sees it; what needs a browser is in tests/e2e."""

import json
import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.curves.run import run_id
from glmcore.ui.curves.state import STATE_KEY, widget_key
from tests.sources import ROOT
from tests.ui.training_runs import write_run
from tests.ui.visits import Server, forget_services

CURVES = str(ROOT / "pages/curves.py")


def open_page(locale: str = "en-US", **query: str | list[str]) -> AppTest:
    at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20)
    at.context["locale"] = locale
    at.run()
    at.switch_page(CURVES)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception and not at.error, [*at.exception, *at.error]
    return at


def jobs(server: Server) -> Path:
    return server.services.settings.jobs_dir


def table(at: AppTest) -> list[dict]:
    return at.dataframe[0].value.to_dict("records")


def said(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.code)
    return "\n".join(str(one.value).replace("\\", "") for kind in kinds for one in kind)


@pytest.fixture
def two_runs(server: Server) -> Server:
    write_run(jobs(server) / "first", rate=1e-3)
    write_run(jobs(server) / "second", rate=2e-3, seed=2)
    return server


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


def test_a_link_names_the_runs_that_are_drawn(two_runs: Server) -> None:
    chosen = run_id(jobs(two_runs) / "second")
    at = open_page(run=chosen)
    assert at.multiselect(key=widget_key("run")).value == [chosen]
    assert "**second**" in said(at) and "**first**" not in said(at)
    assert len(table(at)) == 2, "the table lists all that are found"


def test_reset_gives_the_usual_view_back(two_runs: Server) -> None:
    at = open_page(axis="epoch", log="1", clip="1")
    next(button for button in at.button if button.label == "Reset").click().run()
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


def test_a_note_and_a_mark_are_kept_for_everyone(two_runs: Server) -> None:
    run = run_id(jobs(two_runs) / "first")
    two_runs.services.curves.remarks.set_note(run, "the good one")
    two_runs.services.curves.remarks.add_mark(run, 30, "rate lowered")
    at = open_page(curves_tabs="1")
    two_runs.services.curves.remarks.of(run)
    assert two_runs.services.curves.remarks.of(run).note == "the good one"
    assert [mark.text for mark in two_runs.services.curves.remarks.of(run).marks] == ["rate lowered"]
    assert not at.exception


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


def test_alerts_are_shown_here_and_on_the_first_page_until_they_are_put_aside(server: Server) -> None:
    write_run(jobs(server) / "live", pid=os.getpid(), losses={60: float("nan")})
    fired = server.services.curves.watch.look()
    assert [alert.kind for alert in fired] == ["nan"]
    assert "**live**" in said(open_page()) and "NaN" in said(open_page())
    first = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20).run()
    assert any("live" in str(one.value) for one in first.warning)
    first.button(key=f"dismiss_{fired[0].run_id}_nan").click().run()
    assert not first.warning


def test_it_speaks_chinese(two_runs: Server) -> None:
    at = open_page(locale="zh-CN")
    assert at.title[0].value == "曲线"
