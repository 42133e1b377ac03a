"""`jobs submit` and `jobs work`: from job files to the queue, and from the queue to runs."""

import os
import signal
from pathlib import Path

import pytest

from glmcore.cli import main
from glmcore.jobs.job import JobState
from glmcore.jobs.runner import JobRunner
from tests.tuning.running import METHODS, QUIET, base_folder, write_rows

NOBODY = "Nobody looks after jobs"


def said(capsys, *arguments, code=0):
    assert main(["jobs", *arguments]) == code
    return capsys.readouterr()


def test_job_file_is_queued_with_what_changes_it(submit, service):
    job = submit("sorting", "lora_rank=4", "--max_steps", "12")
    assert (job.name, job.state, job.batch) == ("sorting", JobState.QUEUED, "")
    config = service.config_of(job)
    assert (config.tuning.lora_rank, config.training.max_steps) == (4, 12)


def test_name_is_given_with_or_without_a_file(submit, job_file, service, capsys):
    assert submit("sorting", "--name", "Sort 排序").name == "Sort 排序"
    rows = Path(job_file("x")).with_name("rows.jsonl")
    said(capsys, "submit", f"train_file={rows}", "--name", "alone")
    assert service.queue.list()[0].name == "alone"


def test_several_files_are_a_batch_in_their_order(job_file, service, capsys):
    files = [job_file(name) for name in ("first", "second", "third")]
    out, err = said(capsys, "submit", *files, "lora_rank=4", "--batch", "three")
    assert [job.name for job in service.queue.queued()] == ["first", "second", "third"]
    assert {job.batch for job in service.queue.queued()} == {"three"} and out.count("Queued: ") == 3
    assert err.count(NOBODY) == 1
    said(capsys, "submit", *files)
    assert len({job.batch for job in service.queue.queued()} - {""}) == 2


def test_nothing_is_queued_where_one_file_is_wrong(job_file, service, capsys):
    wrong = job_file("wrong", lora_rnak=3), job_file("odd", max_steps="many")
    out, err = said(capsys, "submit", job_file("good"), *wrong, code=2)
    assert "lora_rnak" in err and "'many'" in err and not out and not service.queue.list()


def test_rest_is_queued_where_one_job_is_refused(job_file, service, capsys):
    for_gpu = job_file("gpu", device="cuda:7")
    out, err = said(capsys, "submit", for_gpu, job_file("good"), code=2)
    assert [job.name for job in service.queue.list()] == ["good"] and "GPU" in err and "good" in out


def test_worker_with_nothing_to_do_ends_at_once_if_told_so(capsys, service):
    _, err = said(capsys, "work", "--once")
    assert "Looking after the jobs in" in err and not service.queue.runners()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_ends_by_a_signal_and_leaves_jobs_alone(number, submit, service, capsys, monkeypatch):
    job = submit("sorting")
    before = signal.getsignal(number)

    def begin(runner):
        runner.host = "here"
        service.queue.claim("here", "me", lambda queued, live: (job, ("cpu:0",)))
        os.kill(os.getpid(), number)

    monkeypatch.setattr(JobRunner, "start", begin)
    _, err = said(capsys, "work")
    assert "1 job goes on without this worker" in err and signal.getsignal(number) is before
    assert service.queue.get(job.id).state is JobState.RUNNING


def test_job_that_cannot_start_here_does_not_keep_a_worker(submit, service, capsys, monkeypatch):
    submit("sorting")
    monkeypatch.setattr("glmcore.jobs.runner.pick_next", lambda queued, live, slots: None)
    said(capsys, "work", "--once")
    assert len(service.queue.queued()) == 1


@pytest.mark.slow
def test_worker_works_off_a_batch_that_goes_on_after_a_failure(tmp_path, job_file, service, capsys):
    rows = write_rows(tmp_path / "train.jsonl", 12)
    spoilt = write_rows(tmp_path / "spoilt.jsonl", 12)
    values = QUIET | METHODS["lora"] | {"base_model": base_folder("chatglm3"), "max_steps": 2}
    files = [job_file("bad", **values, train_file=spoilt), job_file("good", **values, train_file=rows)]
    said(capsys, "submit", *files, "--batch", "two")
    spoilt.write_text('{"prompt": \n')
    _, err = said(capsys, "work", "--once")
    assert "Looking after" in err
    jobs = {job.name: job for job in service.queue.list()}
    assert (jobs["good"].state, jobs["bad"].state) == (JobState.FINISHED, JobState.FAILED)
    listed, shown = said(capsys, "list")[0], said(capsys, "show", jobs["bad"].id)[0]
    assert "2/2 100%" in listed and "broken JSON" in shown and "Mend the file" in shown
    assert "Finished at step 2" in said(capsys, "logs", jobs["good"].id)[0]
