"""What must hold whatever is killed, and when."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glmcore.core.settings import Settings
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.jobs.processes import find_by_token, kill_all
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import JobConfig
from tests.sources import ROOT

WORKER = Path(__file__).with_name("fake_worker.py")
SECONDS = 60.0
Worker = Callable[[], "subprocess.Popen[bytes]"]

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", device="cpu")


@pytest.fixture
def worker(service: JobService, settings: Settings) -> Iterator[Worker]:
    workers = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(WORKER), str(settings.home), "4", "0.05"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        workers.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        return workers[-1]

    yield start
    for one in workers:
        one.kill()
        one.wait()
    for job in service.queue.list(archived=None):
        kill_all(None, job.token)


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def starts(service: JobService, job: Job) -> int:
    path = service.folder(job.id).path / "starts.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def is_whole(settings: Settings) -> bool:
    with sqlite3.connect(settings.home / "glmcore.db") as connection:
        held = connection.execute("SELECT count(*) FROM job_slots").fetchone()[0]
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok" and held == 0)


def test_workers_killed_again_and_again_start_each_job_once(
    service: JobService, settings: Settings, config: JobConfig, worker: Worker
) -> None:
    jobs = [service.submit(config, name=f"job {number}", owner="ann") for number in range(12)]
    chance, kills = random.Random(6), 0
    while any(not service.queue.get(job.id).state.has_ended for job in jobs) and kills < 60:
        one = worker()
        time.sleep(chance.uniform(0.3, 1.6))  # from before its first tick to the middle of a job
        one.kill()
        one.wait()
        kills += 1
    worker()
    until(lambda: all(service.queue.get(job.id).state.has_ended for job in jobs))
    assert {service.queue.get(job.id).state for job in jobs} == {JobState.FINISHED}
    assert [starts(service, job) for job in jobs] == [1] * 12, f"after {kills} kills"
    assert is_whole(settings)


def test_everything_killed_at_once_as_when_a_machine_restarts_is_lost_and_can_go_on(
    service: JobService, settings: Settings, config: JobConfig, worker: Worker
) -> None:
    job = service.submit(config, name="job", owner="ann")
    first = worker()
    until(lambda: service.progress(service.queue.get(job.id)).step >= 1)
    first.kill()
    first.wait()
    kill_all(None, service.queue.get(job.id).token)
    worker()
    until(lambda: service.queue.get(job.id).state.has_ended)
    assert service.queue.get(job.id).state is JobState.LOST
    service.resume(job.id)
    until(lambda: service.queue.get(job.id).state is JobState.FINISHED)
    assert starts(service, job) == 2 and is_whole(settings)


def test_runs_killed_in_every_state_leave_no_wrong_one(
    service: JobService, settings: Settings, config: JobConfig, worker: Worker
) -> None:
    worker()
    chance = random.Random(7)
    for number in range(12):
        job = service.submit(config, name=f"job {number}", owner="ann")
        until(lambda job=job: service.queue.get(job.id).state.is_live)  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 0.5))
        now = service.queue.get(job.id)
        if number % 3 == 0 and not now.state.has_ended:
            service.stop(job.id, StopWish.SAVE)
        for process in find_by_token(now.token)[: 1 + number % 2]:
            os.kill(process.pid, signal.SIGKILL)
        until(lambda job=job: service.queue.get(job.id).state.has_ended)  # type: ignore[misc]
        found = service.queue.get(job.id)
        assert not find_by_token(found.token)
        assert (found.state is JobState.STOPPED) <= (found.stop is not None)
        assert (found.state is JobState.FINISHED) <= (service.progress(found).step == 4)
    assert is_whole(settings)


def test_stop_and_resume_pressed_by_two_people_at_once_leave_one_process_at_most(
    service: JobService, settings: Settings, config: JobConfig, worker: Worker
) -> None:
    worker()
    job = service.submit(config, name="job", owner="ann")
    chance = random.Random(8)
    for _ in range(40):
        try:
            if chance.random() < 0.5:
                service.stop(job.id, chance.choice(list(StopWish)))
            else:
                service.resume(job.id)
        except Exception as error:
            assert type(error).__name__ == "JobError", error
        time.sleep(chance.uniform(0.0, 0.15))
        assert len(find_by_token(service.queue.get(job.id).token)) <= 2  # the supervisor and the run
    if service.queue.get(job.id).state.is_live:
        service.stop(job.id, StopWish.KILL)
    until(lambda: not service.queue.get(job.id).state.is_live)
    assert is_whole(settings)
