"""Dialogs about jobs: what they say, what they do, and what they refuse because somebody was quicker."""

from glmcore.jobs.job import JobState, StopWish
from glmcore.ui.training.jobs import dialogs
from tests.ui.training.jobs.job_visit import add_checkpoint, add_job, click, open_dialog, said
from tests.ui.visits import Server


def test_a_live_job_is_stopped_as_chosen(server: Server) -> None:
    jobs = server.services.jobs
    live = add_job(jobs, "live", JobState.RUNNING)
    at = open_dialog(lambda: dialogs.stop_jobs(jobs, [live]))
    assert at.radio[0].value is StopWish.SAVE
    at.radio[0].set_value(StopWish.DISCARD)
    click(at, "jobs_stop_now")
    now = jobs.queue.get(live.id)
    assert (now.state, now.stop) == (JobState.STOPPING, StopWish.DISCARD)


def test_a_job_that_waits_is_cancelled_without_a_choice(server: Server) -> None:
    jobs = server.services.jobs
    waits = add_job(jobs, "waits")
    at = open_dialog(lambda: dialogs.stop_jobs(jobs, [waits]))
    assert not at.radio and "taken out of the queue" in said(at)
    click(at, "jobs_stop_now")
    assert jobs.queue.get(waits.id).state is JobState.STOPPED


def test_jobs_are_deleted_with_their_files_and_live_ones_are_left_alone(server: Server) -> None:
    jobs = server.services.jobs
    done, live = add_job(jobs, "done", JobState.FINISHED, steps=20), add_job(jobs, "live", JobState.RUNNING)
    at = open_dialog(lambda: dialogs.delete_jobs(jobs, [done, live]))
    assert "**done**" in said(at) and "KiB" in said(at) and "is left alone" in said(at)
    click(at, "jobs_delete_now")
    assert [job.name for job in jobs.queue.list()] == ["live"]
    assert not jobs.folder(done.id).path.exists() and jobs.folder(live.id).path.is_dir()


def test_files_are_left_where_that_is_chosen(server: Server) -> None:
    jobs = server.services.jobs
    done = add_job(jobs, "done", JobState.FINISHED)
    at = open_dialog(lambda: dialogs.delete_jobs(jobs, [done]))
    at.checkbox[0].set_value(False)
    click(at, "jobs_delete_now")
    assert not jobs.queue.list() and jobs.folder(done.id).path.is_dir()


def test_a_job_that_was_queued_again_meanwhile_is_not_deleted(server: Server) -> None:
    jobs = server.services.jobs
    stopped = add_job(jobs, "stopped", JobState.STOPPED)
    jobs.resume(stopped.id)
    at = open_dialog(lambda: dialogs.delete_jobs(jobs, [stopped]))
    click(at, "jobs_delete_now")
    assert jobs.queue.get(stopped.id).state is JobState.QUEUED
    _until, (fault,) = at.session_state["jobs_notice"]
    assert "has changed meanwhile: it was stopped and is queued" in str(fault)


def test_a_job_is_renamed_and_noted(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "before", JobState.FINISHED)
    at = open_dialog(lambda: dialogs.rename_job(jobs, job))
    at.text_input(key="jobs_new_name").set_value("after").run()
    click(at, "jobs_rename_now")
    at = open_dialog(lambda: dialogs.annotate_job(jobs, job))
    at.text_area(key="jobs_new_note").set_value("worse than it looks").run()
    click(at, "jobs_note_now")
    now = jobs.queue.get(job.id)
    assert (now.name, now.note) == ("after", "worse than it looks")


def test_another_name_of_somebody_else_is_not_overwritten(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "before", JobState.FINISHED)
    at = open_dialog(lambda: dialogs.rename_job(jobs, job))
    jobs.rename(job.id, "theirs")
    at.text_input(key="jobs_new_name").set_value("mine").run()
    click(at, "jobs_rename_now")
    assert "before is called theirs by now" in said(at) and jobs.queue.get(job.id).name == "theirs"


def test_a_finished_job_goes_on_to_a_later_step(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "done", JobState.FINISHED, steps=60)
    add_checkpoint(jobs, job, 60, 1.1, 60)
    at = open_dialog(lambda: dialogs.go_on_to_step(jobs, job, 60))
    assert at.number_input[0].min == 61 and at.number_input[0].value == 120
    at.number_input[0].set_value(90).run()
    click(at, "jobs_go_on_now")
    now = jobs.queue.get(job.id)
    assert now.state is JobState.QUEUED and jobs.config_of(now).training.max_steps == 90


def test_a_fault_is_said_in_the_dialog(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "done", JobState.FINISHED, steps=60)
    at = open_dialog(lambda: dialogs.go_on_to_step(jobs, job, 60))
    click(at, "jobs_go_on_now")
    assert at.error and "no checkpoint" in said(at)


def test_a_restart_makes_a_new_job_and_opens_it(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "source", JobState.FINISHED, steps=60)
    add_checkpoint(jobs, job, 20, 1.1, 20)
    dialog = open_dialog(lambda: dialogs.restart_job(jobs, job, 20))
    click(dialog, "jobs_restart_now")
    made = [one for one in jobs.queue.list() if one.parent_id == job.id]
    assert len(made) == 1 and made[0].name == "source @20"
    assert dialog.query_params["job"] == made[0].id
