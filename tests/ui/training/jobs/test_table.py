"""The table of jobs as one reader sees it; clicks on cells need a browser."""

from streamlit.testing.v1 import AppTest

from glmcore.jobs.job import JobKind, JobState
from glmcore.ui.training.jobs import table as table_module
from glmcore.ui.training.new_job.draft import STATE_KEY
from tests.ui.training.jobs.job_visit import add_job, beat, click, keys, open_jobs_page, said, table
from tests.ui.visits import Server


def test_without_jobs_it_leads_to_the_form_with_the_demo(server: Server) -> None:
    at = open_jobs_page()
    assert "No job yet" in said(at) and not at.dataframe
    click(at, "jobs_demo")
    assert at.query_params["view"] == "new"
    assert at.session_state[STATE_KEY].name == "demo"
    assert str(at.session_state[STATE_KEY].values["train_file"]).endswith("train.jsonl")


def test_jobs_are_listed_with_state_progress_and_losses(server: Server) -> None:
    jobs = server.services.jobs
    add_job(jobs, "old", JobState.FINISHED, steps=60, exit_code=0)
    add_job(jobs, "new")
    newest, oldest = table(open_jobs_page())
    assert (newest["name"], newest["state"]) == ("new", "queued")
    assert (oldest["name"], oldest["state"], oldest["progress"]) == ("old", "finished", 100)
    assert oldest["best_eval"] == 1.11 and oldest["last"] > 1 and len(oldest["losses"]) > 10
    assert oldest["data"] == "train.jsonl" and oldest["method"] == "LoRA"


def test_words_and_states_filter_and_time_estimates_are_hidden(server: Server) -> None:
    jobs = server.services.jobs
    add_job(jobs, "weather", JobState.FAILED, exit_code=1, note="smaller rank")
    add_job(jobs, "legal", JobState.FINISHED, exit_code=0)
    add_job(jobs, "estimate", JobState.FINISHED, kind=JobKind.CALIBRATE)
    at = open_jobs_page()
    assert {row["name"] for row in table(at)} == {"weather", "legal"}
    at.text_input(key=table_module.FIND_KEY).set_value("RANK -legal").run()
    assert [row["name"] for row in table(at)] == ["weather"]
    at.text_input(key=table_module.FIND_KEY).set_value("").run()
    at.multiselect(key=table_module.STATES_KEY).set_value([JobState.FINISHED]).run()
    at.toggle(key=table_module.CALIBRATIONS_KEY).set_value(True).run()
    assert {row["name"] for row in table(at)} == {"legal", "estimate"}
    at.text_input(key=table_module.FIND_KEY).set_value("nothing like it").run()
    assert "No job fits the filter" in said(at)


def test_archived_jobs_are_shown_on_request(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "old", JobState.FINISHED)
    jobs.archive(job.id, True)
    at = open_jobs_page()
    assert not at.dataframe and "No job yet" not in said(at)
    at.toggle(key=table_module.ARCHIVED_KEY).set_value(True).run()
    assert [row["name"] for row in table(at)] == ["old"]


def test_it_says_when_nobody_would_start_what_waits(server: Server) -> None:
    jobs = server.services.jobs
    add_job(jobs, "waits")
    assert "python -m glmcore jobs work" in said(open_jobs_page())
    beat(jobs)
    text = said(open_jobs_page())
    assert "jobs work" not in text and "box · cpu:0 free · cuda:0 free · 1 runner" in text


def test_what_waits_can_be_moved_and_cancelled(server: Server) -> None:
    jobs = server.services.jobs
    first, second, third = (add_job(jobs, name) for name in ("first", "second", "third"))
    at = click(open_jobs_page(), f"jobs_up_{third.id}")
    assert [job.name for job in jobs.queue.queued()] == ["first", "third", "second"]
    click(at, f"jobs_down_{first.id}")
    assert [job.name for job in jobs.queue.queued()] == ["third", "first", "second"]
    click(at, f"jobs_cancel_{second.id}")
    assert jobs.queue.get(second.id).state is JobState.STOPPED
    assert f"jobs_cancel_{second.id}" not in keys(at)


def test_stop_and_delete_of_selected_jobs_ask_first(server: Server) -> None:
    jobs = server.services.jobs
    add_job(jobs, "done", JobState.FINISHED)
    add_job(jobs, "live", JobState.RUNNING)
    at = open_jobs_page()
    assert "jobs_delete" not in keys(at), "nothing is selected"
    _select(server, at, "done")
    assert at.button(key="jobs_stop").disabled
    assert "This cannot be undone" in said(click(at, "jobs_delete"))
    _select(server, at, "live")
    assert len(click(at, "jobs_stop").radio) == 1
    assert [job.state for job in jobs.queue.list()] == [JobState.RUNNING, JobState.FINISHED]


def test_selected_jobs_are_archived(server: Server) -> None:
    jobs = server.services.jobs
    done = add_job(jobs, "done", JobState.FINISHED)
    at = open_jobs_page()
    _select(server, at, "done")
    click(at, "jobs_archive")
    assert jobs.queue.get(done.id).is_archived and not at.dataframe


def test_hostile_names_are_shown_as_text(server: Server) -> None:
    add_job(server.services.jobs, "<img src=x onerror=alert(1)> :material/bug_report: **b**")
    at = open_jobs_page()
    assert table(at)[0]["name"].startswith("<img")
    assert any(r"\<img src\=x" in button.label and r"\*\*b" in button.label for button in at.button)


def test_a_selection_is_kept_when_another_job_comes(server: Server) -> None:
    jobs = server.services.jobs
    add_job(jobs, "chosen", JobState.FINISHED)
    at = open_jobs_page()
    _select(server, at, "chosen")
    add_job(jobs, "newcomer")
    at.run()
    assert [row["name"] for row in table(at)] == ["newcomer", "chosen"]
    assert "**1** selected" in said(at)


def _select(server: Server, at: AppTest, *names: str) -> None:
    listed = server.services.jobs.queue.list()
    places = [place for place, job in enumerate(listed) if job.name in names]
    at.session_state[table_module.table_key(listed)] = {"selection": {"rows": places}}
    at.run()
    assert not at.exception, at.exception
