"""The runner with real processes, which pretend to train."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.settings import Settings
from glmcore.jobs import runner as runner_module
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.jobs.processes import ProcessId, find_by_token
from glmcore.jobs.runner import JobRunner
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import JobConfig
from tests.sources import ROOT

FAKE_RUN = Path(__file__).with_name("fake_run.py")
SECONDS = 20.0  # in which anything here happens, on a busy machine
Start = Callable[..., Job]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", device="cpu", stop_grace_seconds=600.0)


@pytest.fixture
def runner(service: JobService) -> Iterator[JobRunner]:
    yield JobRunner(service)
    for job in service.queue.list(archived=None):
        runner_module.kill_all(None, job.token)


@pytest.fixture
def start(
    service: JobService, config: JobConfig, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> Start:
    """Queues a job that pretends, and lets the runner start it."""
    how: dict[str, list[str]] = {}

    def command_of(job: Job, folder: JobFolder, cpu_jobs: int) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, str(FAKE_RUN), str(folder.path), *how[job.id]], {"PYTHONPATH": str(ROOT)}

    def start(*arguments: str) -> Job:
        job = service.submit(config, name="fake", owner="ann")
        how[job.id] = [*arguments]
        runner.tick()
        return service.queue.get(job.id)

    monkeypatch.setattr(runner_module, "command_of", command_of)
    return start


def until(happened: Callable[[], bool], tick: Callable[[], None] = lambda: None) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        tick()
        time.sleep(0.02)


def in_steps(service: JobService, job: Job) -> Callable[[], bool]:
    return lambda: service.progress(service.queue.get(job.id)).stage == "running"


def ended(service: JobService, job: Job) -> Callable[[], bool]:
    return lambda: service.queue.get(job.id).state.has_ended


def starts(service: JobService, job: Job) -> int:
    return len((service.folder(job.id).path / "starts.txt").read_text().splitlines())


def test_a_job_runs_and_its_end_is_kept(service: JobService, runner: JobRunner, start: Start) -> None:
    job = start("3", "0")
    until(ended(service, job), runner.tick)
    found = service.queue.get(job.id)
    assert (found.state, found.exit_code, found.process) == (JobState.FINISHED, 0, None)
    assert found.summary is not None and (found.summary["step"], found.summary["last_loss"]) == (3, 0.25)
    assert not find_by_token(found.token)


def test_a_failure_keeps_what_the_run_said(service: JobService, runner: JobRunner, start: Start) -> None:
    job = start("5", "0", "fails")
    until(ended(service, job), runner.tick)
    found = service.queue.get(job.id)
    assert (found.state, found.exit_code) == (JobState.FAILED, 2)
    assert found.reason == {"template": "Step {step}: the loss is no number.", "values": {"step": 2}}


def test_the_next_job_waits_for_the_device_and_starts_after_a_failure(
    service: JobService, runner: JobRunner, start: Start
) -> None:
    first, second = start("3", "0.05", "fails"), start("1", "0")
    assert second.state is JobState.QUEUED
    until(ended(service, second), runner.tick)
    assert service.queue.get(first.id).state is JobState.FAILED
    assert service.queue.get(second.id).state is JobState.FINISHED


@pytest.mark.parametrize("wish", [StopWish.SAVE, StopWish.DISCARD])
def test_a_run_in_its_steps_is_asked_by_a_file(
    service: JobService, runner: JobRunner, start: Start, wish: StopWish
) -> None:
    job = start("1000", "0.3")
    until(in_steps(service, job))
    service.stop(job.id, wish)
    runner.tick()
    asked = service.folder(job.id).stop_request
    assert json.loads(asked.read_text()) == {"save": wish is StopWish.SAVE}
    until(ended(service, job), runner.tick)
    assert service.queue.get(job.id).state is JobState.STOPPED


def test_a_run_that_prepares_ends_at_once(service: JobService, runner: JobRunner, start: Start) -> None:
    job = start("1", "0", "silent")
    until(lambda: (service.folder(job.id).path / "starts.txt").exists())
    service.stop(job.id, StopWish.SAVE)
    until(ended(service, job), runner.tick)
    assert service.queue.get(job.id).state is JobState.STOPPED


def test_who_obeys_nothing_is_killed_after_the_grace_time(
    service: JobService, runner: JobRunner, start: Start, settings: Settings
) -> None:
    job = start("9999", "0.1", "deaf")
    until(in_steps(service, job))
    service.stop(job.id, StopWish.SAVE)
    runner.tick()
    assert find_by_token(job.token)  # the grace time of these tests is ten minutes
    service.settings = replace(settings, stop_grace_seconds=0.1)
    until(ended(service, job), runner.tick)
    assert service.queue.get(job.id).state is JobState.STOPPED and not find_by_token(job.token)


def test_kill_now_waits_for_nothing(service: JobService, runner: JobRunner, start: Start) -> None:
    job = start("1000", "0.1", "deaf")
    until(in_steps(service, job))
    service.stop(job.id, StopWish.KILL)
    until(ended(service, job), runner.tick)
    assert service.queue.get(job.id).state is JobState.STOPPED
    assert not find_by_token(job.token)


def test_a_run_killed_from_outside_has_failed_and_can_go_on(
    service: JobService, runner: JobRunner, start: Start
) -> None:
    job = start("1000", "0.05")
    until(in_steps(service, job))
    pid = int((service.folder(job.id).path / "starts.txt").read_text())
    os.kill(pid, signal.SIGKILL)
    until(ended(service, job), runner.tick)
    found = service.queue.get(job.id)
    assert (found.state, found.exit_code) == (JobState.FAILED, -signal.SIGKILL)
    assert service.resume_problem(found) is None


def test_a_run_goes_on_when_its_supervisor_is_killed(
    service: JobService, runner: JobRunner, start: Start
) -> None:
    job = start("1000", "0.1")
    until(in_steps(service, job))
    assert job.process is not None
    os.kill(job.process.pid, signal.SIGKILL)
    for _ in range(4):
        runner.tick()
    assert service.queue.get(job.id).state is JobState.RUNNING
    service.stop(job.id, StopWish.SAVE)
    until(ended(service, job), runner.tick)
    assert service.queue.get(job.id).state is JobState.STOPPED


def test_supervisor_and_run_killed_together_are_lost(
    service: JobService, runner: JobRunner, start: Start
) -> None:
    job = start("1000", "0.1")
    until(in_steps(service, job))
    runner_module.kill_all(job.process, job.token)
    until(ended(service, job), runner.tick)
    found = service.queue.get(job.id)
    assert (found.state, found.exit_code) == (JobState.LOST, None)
    assert found.summary is not None and found.summary["total"] == 1000


def test_after_a_restart_of_the_machine_a_reused_pid_is_not_taken_for_the_job(
    service: JobService, runner: JobRunner, start: Start
) -> None:
    job = start("1000", "0.1")
    until(in_steps(service, job))
    runner_module.kill_all(job.process, job.token)
    # The number of the job's process is that of this test now, which was started at another time.
    service.queue.started(job, ProcessId(os.getpid(), "another boot:1"))
    service.folder(job.id).supervisor.unlink()
    service.stop(job.id, StopWish.KILL)
    until(ended(service, job), runner.tick)
    assert service.queue.get(job.id).state is JobState.STOPPED  # and this test is alive


def test_another_runner_goes_on_where_one_was_killed_before_it_said_what_it_started(
    service: JobService, runner: JobRunner, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.queue, "started", lambda job, process: True)
    job = start("3", "0.05")
    assert job.process is None
    monkeypatch.undo()
    until(ended(service, job), JobRunner(service).tick)
    assert service.queue.get(job.id).state is JobState.FINISHED
    assert starts(service, job) == 1


def test_a_claim_that_started_nothing_waits_again(
    service: JobService, runner: JobRunner, config: JobConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit(config, name="fake", owner="ann")
    service.queue.claim(runner.host, "a runner that was killed", lambda queued, _: (queued[0], ("cpu:0",)))
    runner.tick()
    assert service.queue.get(job.id).state is JobState.RUNNING
    monkeypatch.setattr(runner_module, "START_SECONDS", 0.0)
    monkeypatch.setattr(runner_module, "pick_next", lambda queued, live, slots: None)
    runner.tick()
    assert service.queue.get(job.id).state is JobState.QUEUED


def test_several_runners_start_each_job_once(
    service: JobService, runner: JobRunner, start: Start, config: JobConfig
) -> None:
    jobs = [start("1", "0") for _ in range(4)]
    others = [JobRunner(service) for _ in range(3)]
    stop = threading.Event()

    def work(one: JobRunner) -> None:
        while not stop.is_set():
            one.tick()

    threads = [threading.Thread(target=work, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    until(lambda: all(ended(service, job)() for job in jobs))
    stop.set()
    for thread in threads:
        thread.join()
    assert [starts(service, job) for job in jobs] == [1, 1, 1, 1]
    assert {service.queue.get(job.id).state for job in jobs} == {JobState.FINISHED}


def test_a_job_file_changed_while_it_waited_runs_as_queued(
    service: JobService, runner: JobRunner, start: Start
) -> None:
    first, second = start("1000", "0.05"), start("0", "0")
    folder = service.folder(second.id)
    folder.job_file.write_text("learning_rate: 0.5\n")
    service.stop(first.id, StopWish.KILL)
    until(ended(service, second), runner.tick)
    assert folder.job_file.read_text() == second.config
    assert (folder.path / "job.edited.yaml").read_text() == "learning_rate: 0.5\n"
    assert "changed after it was queued" in folder.log.read_text()


def test_a_folder_that_cannot_be_written_fails_the_job_in_words(
    service: JobService, runner: JobRunner, config: JobConfig
) -> None:
    job = service.submit(config, name="full", owner="ann")
    folder = service.folder(job.id)
    folder.job_file.unlink()
    folder.path.rmdir()
    folder.path.write_text("a file is in the way")
    runner.tick()
    found = service.queue.get(job.id)
    assert found.state is JobState.FAILED and found.reason is not None
    assert "cannot be written" in found.reason["template"]


def test_jobs_of_a_machine_nobody_hears_of_are_lost_after_a_while(
    service: JobService, runner: JobRunner, config: JobConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit(config, name="far", owner="ann")
    service.queue.claim("another machine", "gone", lambda queued, _: (queued[0], ("cpu:0",)))
    runner.tick()
    assert service.queue.get(job.id).state is JobState.RUNNING
    monkeypatch.setattr(runner_module, "STRANDED_SECONDS", -1.0)
    JobRunner(service).tick()
    assert service.queue.get(job.id).state is JobState.LOST


def test_a_runner_works_in_the_background_and_leaves(service: JobService, config: JobConfig) -> None:
    runner = JobRunner(service, "worker")
    runner.start()
    until(lambda: [one.what for one in service.queue.runners()] == ["worker"])
    runner.close()
    assert service.queue.runners() == []
