"""What a click does to a job that may have changed since it was drawn."""

from pathlib import Path

import pytest
import streamlit as st

from glmcore.core.errors import JobError, NotFoundError
from glmcore.jobs.job import JobState, StopWish
from glmcore.ui.training.jobs import actions
from tests.ui.training.jobs.job_visit import add_job, click, open_dialog, said
from tests.ui.visits import Server


def test_a_press_that_comes_after_the_start_stops_nothing(server: Server) -> None:
    jobs = server.services.jobs
    seen = add_job(jobs, "quick")
    jobs.queue.claim("box", "somebody", lambda queued, live: (queued[0], ("cpu:0",)))
    with pytest.raises(JobError, match="it was queued and is running"):
        actions.stop(jobs, seen, StopWish.SAVE)
    assert jobs.queue.get(seen.id).state is JobState.RUNNING


def test_a_stronger_wish_counts_also_while_it_stops(server: Server) -> None:
    jobs = server.services.jobs
    seen = add_job(jobs, "live", JobState.RUNNING)
    actions.stop(jobs, seen, StopWish.SAVE)
    actions.stop(jobs, seen, StopWish.KILL)
    assert jobs.queue.get(seen.id).stop is StopWish.KILL


def test_a_deleted_job_is_said(server: Server) -> None:
    jobs = server.services.jobs
    seen = add_job(jobs, "gone", JobState.FINISHED)
    jobs.delete(seen.id, with_files=True)
    for action in (
        lambda: actions.rename(jobs, seen, "new"),
        lambda: actions.archive(jobs, seen, True),
        lambda: actions.delete(jobs, seen, with_files=True),
    ):
        with pytest.raises(NotFoundError):
            action()


def test_somebody_elses_note_is_shown_and_kept(server: Server) -> None:
    jobs = server.services.jobs
    seen = add_job(jobs, "job", JobState.FINISHED)
    jobs.annotate(seen.id, "theirs")
    with pytest.raises(JobError, match="it says now: theirs"):
        actions.annotate(jobs, seen, "mine")
    assert jobs.queue.get(seen.id).note == "theirs"


def test_the_first_and_the_last_stay_where_they_are(server: Server) -> None:
    jobs = server.services.jobs
    first, last = add_job(jobs, "first"), add_job(jobs, "last")
    actions.move_up(jobs, first)
    actions.move_down(jobs, last)
    assert [job.name for job in jobs.queue.queued()] == ["first", "last"]
    actions.move_down(jobs, first)
    assert [job.name for job in jobs.queue.queued()] == ["last", "first"]


def test_a_fault_with_one_job_does_not_keep_the_others_from_it(server: Server) -> None:
    jobs = server.services.jobs
    gone, there = add_job(jobs, "gone", JobState.FINISHED), add_job(jobs, "there", JobState.FINISHED)
    jobs.delete(gone.id, with_files=True)
    faults = actions.for_each([gone, there], lambda job: actions.archive(jobs, job, True))
    assert len(faults) == 1 and jobs.queue.get(there.id).is_archived


def test_a_fault_is_said_for_a_while_and_until_something_goes_well(monkeypatch) -> None:
    def fail() -> None:
        raise JobError("Somebody was quicker.")

    def draw() -> None:
        for name, action in (("fails", fail), ("works", lambda: None)):
            if st.button(name, key=name):
                actions.tried(action)
        actions.show_notice()

    at = click(open_dialog(draw), "fails")
    assert "Somebody was quicker" in said(at.run()), "a page that is live is drawn again at once"
    assert "Somebody was quicker" not in said(click(at, "works"))
    monkeypatch.setattr(actions, "NOTICE_SECONDS", 0.0)
    assert "Somebody was quicker" not in said(click(at, "fails").run())


def test_the_size_of_a_folder_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "job/inner").mkdir(parents=True)
    (tmp_path / "job/inner/file").write_bytes(b"x" * 1000)
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    (tmp_path / "job/link").symlink_to(tmp_path / "large")
    (tmp_path / "job/folder").symlink_to(tmp_path)
    assert 1000 <= actions.folder_bytes(tmp_path / "job") < 5000
    assert actions.folder_bytes(tmp_path / "nowhere") == 0
