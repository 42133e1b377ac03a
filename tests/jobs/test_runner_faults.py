"""What a runner does when something else went wrong than the run."""

import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glmcore.core.errors import StorageError
from glmcore.jobs import runner as runner_module
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.jobs.processes import ProcessId, find_by_token, identify_child, kill_all
from glmcore.jobs.runner import JobRunner
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import JobConfig
from glmcore.tuning.run_folder import write_whole

ME = identify_child(os.getpid())


@pytest.fixture
def runner(service: JobService) -> JobRunner:
    return JobRunner(service)


def claimed(service: JobService, runner: JobRunner, config: JobConfig, name: str = "demo") -> Job:
    service.submit(config, name=name, owner="ann")
    devices = (f"cpu:{len(service.queue.live())}",)
    job = service.queue.claim(runner.host, runner.id, lambda queued, _: (queued[0], devices))
    assert job is not None
    return job


def test_a_job_that_cannot_be_described_fails_once_and_says_so(
    service: JobService, runner: JobRunner, config: JobConfig, tmp_path: Path
) -> None:
    job = service.submit(config, name="judge", owner="ann")
    with sqlite3.connect(tmp_path / "home" / "glmcore.db") as connection:
        connection.execute("UPDATE jobs SET kind = 'predict'")  # without saying by which checkpoint
    runner.tick()
    found = service.queue.get(job.id)
    assert found.state is JobState.FAILED and found.reason is not None
    assert "could not be started" in found.reason["template"]


def test_one_job_that_cannot_be_looked_after_does_not_keep_the_others_from_it(
    service: JobService, runner: JobRunner, config: JobConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [claimed(service, runner, config, name) for name in ("first", "second", "third")]
    for job in jobs:
        write_whole(service.folder(job.id).exit, {"token": job.token, "code": 0})
    faults = {jobs[0].id: StorageError("full"), jobs[1].id: RuntimeError("a fault of ours")}
    ending_of = runner_module.ending_of

    def fail(job: Job, *rest: Any) -> Any:
        if job.id in faults:
            raise faults[job.id]
        return ending_of(job, *rest)

    monkeypatch.setattr(runner_module, "ending_of", fail)
    runner.tick()
    assert [service.queue.get(job.id).state for job in jobs] == ["running", "running", "finished"]


def test_a_process_that_was_started_too_late_is_ended(
    service: JobService, runner: JobRunner, config: JobConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit(config, name="demo", owner="ann")
    launch, tokens = runner_module.launch, []

    def launch_late(folder: Any, token: str, *rest: Any) -> ProcessId:
        tokens.append(token)
        monkeypatch.setattr(service.queue, "claim", lambda *_: None)
        service.queue.put_back(service.queue.get(job.id))  # by another runner, which lost patience
        return launch(folder, token, *rest)

    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(runner_module, "command_of", lambda *_: (command, {}))
    monkeypatch.setattr(runner_module, "launch", launch_late)
    runner.tick()
    [token] = tokens
    try:
        assert service.queue.get(job.id).state is JobState.QUEUED and not find_by_token(token)
    finally:
        kill_all(None, token)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_changes_no_waiting_time(
    service: JobService, runner: JobRunner, config: JobConfig, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    stopping, starting = claimed(service, runner, config, "one"), claimed(service, runner, config, "two")
    service.queue.started(stopping, ME)
    service.stop(stopping.id, StopWish.SAVE)
    killed: list[str] = []
    monkeypatch.setattr(runner_module, "kill_all", lambda _, token: killed.append(token))
    monkeypatch.setattr(runner_module, "pick_next", lambda *_, **__: None)
    wall, monotonic = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() + hours * 3600)
    runner.tick()
    assert not killed and service.queue.get(starting.id).state is JobState.RUNNING
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + service.settings.stop_grace_seconds + 30)
    runner.tick()
    assert killed == [stopping.token] and service.queue.get(starting.id).state is JobState.QUEUED


def test_a_job_of_a_machine_that_is_gone_ended_as_it_had_said(
    service: JobService, runner: JobRunner, config: JobConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.submit(config, name="far", owner="ann")
    far = service.queue.claim("a container made anew", "gone", lambda queued, _: (queued[0], ("cpu:0",)))
    assert far is not None
    write_whole(service.folder(job.id).exit, {"token": far.token, "code": 0})
    monkeypatch.setattr(runner_module, "STRANDED_SECONDS", -1.0)
    runner.tick()
    assert service.queue.get(job.id).state is JobState.FINISHED


def test_the_same_attempt_in_a_copy_of_the_home_folder_is_another_one(
    service: JobService, runner: JobRunner, config: JobConfig
) -> None:
    job = claimed(service, runner, config)
    service.queue.put_back(job)
    tokens = {job.token}
    for one in (runner, JobRunner(service)):
        again = service.queue.claim(one.host, one.id, lambda queued, _: (queued[0], ("cpu:0",)))
        assert again is not None
        tokens.add(again.token.rpartition(":")[0])
        service.queue.put_back(again)
    assert len(tokens) == 3
