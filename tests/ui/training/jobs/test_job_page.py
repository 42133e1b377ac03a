"""One job as one reader sees it: its head, its buttons, its tabs."""

import shutil
from typing import Any

from glmcore.jobs.job import JobKind, JobState
from glmcore.ui.training.jobs import job_page
from glmcore.ui.training.new_job.draft import STATE_KEY
from tests.ui.training.jobs.job_visit import (
    OOM,
    add_checkpoint,
    add_job,
    beat,
    click,
    keys,
    open_jobs_page,
    said,
    table,
)
from tests.ui.visits import Server


def test_an_address_of_a_deleted_job_says_so_and_leads_to_the_table(server: Server) -> None:
    at = open_jobs_page(job="gone-1234")
    assert "does not exist (any more)" in said(at)
    click(at, "job_back")
    assert "job" not in at.query_params and "No job yet" in said(at)


def test_hostile_addresses_are_harmless(server: Server) -> None:
    for job_id in ("../../etc", "<script>", "a" * 5000, "{name}", "x\x00y"):
        assert "does not exist" in said(open_jobs_page(job=job_id))


def test_a_live_job_shows_how_far_it_is_and_can_be_stopped(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "live", JobState.RUNNING, steps=60, note="a try")
    at = open_jobs_page(job=job.id)
    text = said(at)
    assert "step 60 of 60" in text and "LoRA" in text and "of box" in text and "a try" in text
    assert {"job_stop", "job_duplicate", "job_rename", "job_note"} <= keys(at)
    assert not {"job_resume", "job_delete"} & keys(at)
    assert len(click(at, "job_stop").radio) == 1, "it asks how"


def test_a_queued_job_says_what_comes_before_it(server: Server) -> None:
    jobs = server.services.jobs
    add_job(jobs, "first")
    second = add_job(jobs, "second")
    beat(jobs)
    text = said(open_jobs_page(job=second.id))
    assert "1 job comes before it." in text and "cpu:0 free" in text
    assert "appear here as soon as it has begun" in text


def test_buttons_keep_their_place_whatever_is_said_above_them(server: Server) -> None:
    jobs = server.services.jobs
    waits = open_jobs_page(job=add_job(jobs, "waits", note="a note").id)
    live = open_jobs_page(job=add_job(jobs, "live", JobState.RUNNING, steps=20).id)
    assert _place(waits.main, "job_rename")[:-1] == _place(live.main, "job_rename")[:-1]


def test_a_stopped_job_is_queued_again(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "stopped", JobState.STOPPED, steps=20)
    click(open_jobs_page(job=job.id), "job_resume")
    assert jobs.queue.get(job.id).state is JobState.QUEUED


def test_an_ended_job_is_looked_at_again_for_others_may_resume_it(server: Server, monkeypatch) -> None:
    rates = []

    def fragment(draw, run_every=None):
        rates.append(run_every)
        return draw

    monkeypatch.setattr(job_page.st, "fragment", fragment)
    for state in (JobState.RUNNING, JobState.FINISHED):
        open_jobs_page(job=add_job(server.services.jobs, str(state), state).id)
    assert rates[0] == job_page.LIVE_SECONDS and job_page.ENDED_SECONDS in rates


def test_resume_is_grey_with_its_reason(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "lost", JobState.LOST)
    shutil.rmtree(jobs.folder(job.id).path)
    button = open_jobs_page(job=job.id).button(key="job_resume")
    assert button.disabled and "folder of lost is gone" in button.help


def test_a_finished_job_is_asked_how_far_it_goes_on(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "done", JobState.FINISHED, steps=60)
    assert open_jobs_page(job=job.id).button(key="job_go_on").disabled, "it has no checkpoint"
    add_checkpoint(jobs, job, 60, 1.1, 60)
    at = click(open_jobs_page(job=job.id), "job_go_on")
    assert at.number_input[0].value == 120


def test_a_failure_shows_code_meaning_and_last_lines(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "failed", JobState.FAILED, exit_code=1)
    jobs.folder(job.id).log.write_text(f"=== attempt 1, 2026\nTraceback\n{OOM}\n")
    text = said(open_jobs_page(job=job.id))
    assert "exit code 1" in text and OOM in text and "per_device_train_batch_size" in text


def test_a_duplicate_fills_the_form(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "source", JobState.FINISHED, lora_rank=4)
    at = click(open_jobs_page(job=job.id), "job_duplicate")
    draft = at.session_state[STATE_KEY]
    assert at.query_params["view"] == "new"
    assert (draft.name, draft.parent_id, draft.values["lora_rank"]) == ("source", job.id, 4)


def test_the_archive_takes_and_gives_back(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "done", JobState.FINISHED)
    at = click(open_jobs_page(job=job.id), "job_archive")
    assert jobs.queue.get(job.id).is_archived and "archived" in said(at)
    click(at, "job_archive")
    assert not jobs.queue.get(job.id).is_archived


def test_curves_are_drawn_and_read_in_words(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "done", JobState.FINISHED, steps=60)
    text = said(open_jobs_page(job=job.id))
    assert "In words" in text and "**done**" in text


def test_each_tab_shows_what_the_folder_tells(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "done", JobState.FINISHED, steps=60)
    jobs.folder(job.id).log.write_text("loading\nstep 1 <b>\n")
    add_checkpoint(jobs, job, 20, 1.2, 40)
    add_checkpoint(jobs, job, 40, 1.1, 40)
    assert "step 1 <b>" in said(_tab(job.id, "Log"))
    assert "-m glmcore train" in said(_tab(job.id, "Config")) and "lora_rank" in said(_tab(job.id, "Config"))
    assert "not read yet" in said(_tab(job.id, "Data"))
    assert "asked test questions" in said(_tab(job.id, "Evaluations"))
    facts = _tab(job.id, "Facts").table[0].value.to_dict("list")
    assert any("box" in str(value) for column in facts.values() for value in column)
    at = _tab(job.id, "Checkpoints")
    assert [(row["step"], row["best"], row["score loss"]) for row in table(at)] == [
        (40, "★", 1.1),
        (20, "", 1.2),
    ]
    assert all(0 < row["mebibytes"] < 0.01 for row in table(at))
    assert at.selectbox[0].value == 40, "the best is chosen"
    (link,) = at.get("page_link")
    assert (
        link.proto.page == "compare" and f"{job.id}%2Fcheckpoints%2Fcheckpoint-40" in link.proto.query_string
    )
    assert not at.button(key="job_restart").disabled
    click(at, "job_evaluate")
    assert (at.query_params["view"], at.query_params["checkpoint"]) == ("evaluate", "checkpoint-40")


def test_a_time_estimate_has_no_checkpoints(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "estimate", JobState.FINISHED, kind=JobKind.CALIBRATE)
    assert [tab.label for tab in open_jobs_page(job=job.id).tabs] == ["Curves", "Log", "Config", "Facts"]


def _tab(job_id: str, name: str):
    at = open_jobs_page(job=job_id)
    at.session_state["job_tabs_train_7"] = name
    at.run()
    assert not at.exception and not at.error, [*at.exception, *at.error]
    return at


def _place(block: Any, key: str) -> list[int]:
    """Where in the page a widget is: the numbers of the blocks around it, and its own."""
    for number, child in block.children.items():
        if getattr(child, "key", None) == key:
            return [number]
        if hasattr(child, "children") and (inside := _place(child, key)):
            return [number, *inside]
    return []
