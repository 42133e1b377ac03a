"""`jobs` in a terminal: what is told of jobs, and what people do with them."""

import json
import sys
import time

import pytest

from glmcore.cli import jobs as command
from glmcore.cli import main
from glmcore.cli.jobs_report import clock
from glmcore.core.errors import StorageError
from glmcore.jobs.job import JobState, StopWish
from glmcore.jobs.runner_book import RunnerSeen
from glmcore.tuning.checkpoints import mark_whole
from glmcore.tuning.run_folder import write_whole

NOBODY = "Nobody looks after jobs"


def run(service, job, state=None, **ending):
    """Claim a job as a runner does, and end it where a state is given."""
    claimed = service.queue.claim("here", "me", lambda queued, live: (job, ("cpu:0",)))
    if state is not None:
        service.queue.end(claimed, state, ending.pop("exit_code", 1), ending.pop("reason", None))
    return service.queue.get(job.id)


def said(capsys, *arguments, code=0):
    assert main(["jobs", *arguments]) == code
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["submit"], "No job is named"),
        (["submit", "absent.yaml"], "absent.yaml"),
        (["submit", "a.yaml", "b.yaml", "c.yml"], "c.yml"),
        (["submit", "{file}", "{file}", "--name", "x"], "--name is for one job"),
        (["submit", "{file}", "nonsense"], "'nonsense': expected key=value"),
        (["show", "absent"], "There is no job 'absent'"),
        (["show", ""], "There is no job ''"),
        (["show", "../.."], "There is no job '../..'"),
        (["logs", "\udcff"], "There is no job '�'"),
        (["show"], "required: ID"),
        (["list", "--state", "odd"], "invalid choice: 'odd'"),
        (["stop", "x", "--now", "--discard"], "not allowed with"),
        (["resume", "x", "--max-steps", "0"], "--max-steps is 0; expected 1 or more."),
        (["resume", "x", "--max-steps", "ten"], "invalid int value: 'ten'"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_2(arguments, sentence, job_file, capsys):
    file = job_file("good")
    out, err = said(capsys, *(text.format(file=file) for text in arguments), code=2)
    assert sentence in err and not out and "Traceback" not in err


def test_empty_queue_says_how_to_fill_it(capsys):
    out, err = said(capsys)
    assert out.startswith("There is no job; submit one") and not err


def test_list_tells_state_progress_losses_and_time(submit, service, capsys):
    waiting, running = submit("waiting"), submit("running")
    running = run(service, running)
    folder = service.folder(running.id)
    status = {"state": "running", "step": 3, "total": 9, "eta_seconds": 4000.4}
    write_whole(folder.status, status | {"started": time.time(), "updated": time.time() + 90})
    folder.metrics.write_text('{"loss": 2.5, "step": 2}\n{"loss": 2.75, "step": 3}\n')
    header, first, second = said(capsys, "list")[0].splitlines()
    assert header.split("  ")[0] == "id" and "time left" in header
    assert first.split()[:5] == [running.id, "running", "3/9", "33%", "1:06:40"]
    assert first.split()[-3:-1] == ["2.5", "2.75"]
    assert second.split()[:4] == [waiting.id, "queued", "1", "–"]


def test_list_as_json_is_for_programs(submit, capsys):
    job = submit("sorting")
    (found,) = json.loads(said(capsys, "list", "--json")[0])
    assert (found["id"], found["state"], found["needs"]) == (job.id, "queued", "1 × cpu")
    assert found["progress"]["step"] == 0 and "config" not in found


def test_list_is_narrowed_by_state_and_leaves_out_the_archive(submit, service, capsys):
    one, other = submit("one"), submit("other")
    run(service, other, JobState.FAILED)
    assert one.id in (out := said(capsys, "list", "--state", "queued")[0]) and other.id not in out
    service.archive(other.id, True)
    assert other.id not in said(capsys, "list")[0] and other.id in said(capsys, "list", "--all")[0]


@pytest.mark.parametrize(("age", "is_warned"), [(5.0, False), (3600.0, True)])
def test_waiting_job_without_a_runner_is_told(age, is_warned, submit, service, capsys):
    submit("waiting")
    service.queue.book.beat(RunnerSeen("r", "host", "worker", (), time.time() - age))
    assert (NOBODY in said(capsys, "list")[1]) is is_warned


def test_id_may_be_its_beginning_if_no_other_has_it(submit, capsys):
    first, second = submit("sorting"), submit("sorted")
    assert f"{first.id}\nname" in said(capsys, "show", "sorti")[0]
    assert "begins the ids of 2 jobs" in said(capsys, "show", "sort", code=2)[1]
    assert second.id in said(capsys, "show", second.id)[0]


def test_show_explains_a_failure_and_how_to_go_on(submit, service, capsys):
    job = submit("sorting")
    folder = service.folder(job.id)
    checkpoint = folder.checkpoints / "checkpoint-4"
    checkpoint.mkdir(parents=True)
    metrics = {"eval_loss": 1.25, "eval_samples_per_second": 7.0}
    mark_whole(checkpoint, {"metrics": metrics, "best_step": 4})
    folder.log.write_text("=== attempt 1, now\n\x1b[31mOSError: [Errno 28] No space left on device\x1b[0m\n")
    run(service, job, JobState.FAILED)
    out, _ = said(capsys, "show", job.id)
    assert "checkpoint-4" in out and "1.25  best" in out and "per_second" not in out
    assert "exit code" in out and "ended with the exit code 1" in out and "The disk is full." in out
    assert "\x1b" not in out and "\n  OSError: [Errno 28] No space left on device" in out
    assert f"Go on with it: python -m glmcore jobs resume {job.id}" in out


def test_show_says_the_error_that_the_run_told(submit, service, capsys):
    reason = StorageError("The disk of {folder} is full; free some.", folder="\x1b[2J/x").to_dict()
    job = run(service, submit("sorting"), JobState.FAILED, reason=reason)
    out, _ = said(capsys, "show", job.id)
    assert "The disk of /x is full; free some.\n" in out
    broken = run(service, submit("odd"), JobState.FAILED, reason={"template": "{x.y}", "values": {}})
    assert "This is none of the usual ends." in said(capsys, "show", broken.id)[0]


def test_names_and_notes_cannot_drive_the_terminal(submit, service, capsys):
    job = submit("sorting", "--name", "\x1b[2Jevil\u202e")
    service.annotate(job.id, "\x1b]0;title\x07 two\nlines")
    out = said(capsys, "show", job.id)[0] + said(capsys, "list")[0]
    assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out and "two lines" in out


def test_log_is_shown_or_said_not_to_be_there(submit, service, capsys):
    job = submit("sorting")
    assert f"{job.id} has no log yet." in said(capsys, "logs", job.id)[1]
    service.folder(job.id).log.write_text("one\ntwo\x00\n")
    assert said(capsys, "logs", job.id)[0] == "one\ntwo�\n"


def test_log_is_followed_until_the_job_has_ended(submit, service, capsys, monkeypatch):
    job = run(service, submit("sorting"))
    log = service.folder(job.id).log
    log.write_text("one\n")
    real = command._has_ended

    def look(*arguments):
        has_ended = real(*arguments)
        if not has_ended:
            with log.open("a") as file:
                file.write("two\nthree")
            service.queue.end(service.queue.get(job.id), JobState.FINISHED, 0)
        return has_ended

    monkeypatch.setattr(command, "_has_ended", look)
    assert said(capsys, "logs", "-f", job.id)[0] == "one\ntwo\nthree\n"


def test_following_ends_where_the_job_is_deleted(submit, service, capsys):
    job = submit("sorting")
    service.delete(job.id, with_files=True)
    assert command._has_ended(service, job.id)


def test_queued_job_is_cancelled(submit, service, capsys):
    job = submit("sorting")
    assert said(capsys, "stop", job.id)[0] == f"{job.id} is taken out of the queue.\n"
    assert service.queue.get(job.id).state is JobState.STOPPED
    assert "has ended already" in said(capsys, "stop", job.id, code=2)[1]


@pytest.mark.parametrize(
    ("option", "wish"), [([], StopWish.SAVE), (["--discard"], StopWish.DISCARD), (["--now"], StopWish.KILL)]
)
def test_running_job_is_asked_to_stop(option, wish, submit, service, capsys):
    job = run(service, submit("sorting"))
    out, err = said(capsys, "stop", job.id, *option)
    found = service.queue.get(job.id)
    assert (found.state, found.stop) == (JobState.STOPPING, wish) and job.id in out and NOBODY in err


def test_weaker_wish_does_not_replace_a_stronger_one_and_is_told_so(submit, service, capsys):
    job = run(service, submit("sorting"))
    said(capsys, "stop", job.id, "--now")
    assert "is ended at once" in said(capsys, "stop", job.id)[0]


def test_job_is_resumed_also_to_a_later_end(submit, service, capsys):
    job = run(service, submit("sorting"), JobState.FAILED)
    assert said(capsys, "resume", job.id, "--max-steps", "20")[0] == f"Queued: {job.id}\n"
    found = service.queue.get(job.id)
    assert found.state is JobState.QUEUED and service.config_of(found).training.max_steps == 20
    assert "has not ended" in said(capsys, "resume", job.id, code=2)[1]


@pytest.mark.parametrize("keeps", [True, False])
def test_job_is_deleted_with_or_without_its_files(keeps, submit, service, capsys):
    job = run(service, submit("sorting"), JobState.FAILED)
    said(capsys, "delete", job.id, "--yes", *(["--keep-files"] if keeps else []))
    assert not service.queue.list() and service.folder(job.id).path.exists() is keeps


def test_deleting_asks_first(submit, service, capsys, monkeypatch):
    job = submit("sorting")
    assert "add --yes" in said(capsys, "delete", job.id, code=2)[1]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer, is_there in (("n", True), ("", True), ("Yes", False)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        out, _ = said(capsys, "delete", job.id)
        assert ("Nothing was deleted." in out) is is_there is bool(service.queue.list())


def test_live_job_is_not_deleted(submit, service, capsys):
    job = run(service, submit("sorting"))
    assert "stop it before" in said(capsys, "delete", job.id, "--yes", code=2)[1]
    assert service.folder(job.id).path.is_dir()


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.4, "0:00:00"), (3661, "1:01:01"), (-1, "–"), (float("nan"), "–")]
)
def test_duration_is_a_clock(seconds, text):
    assert clock(seconds) == text
