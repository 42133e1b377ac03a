"""One row that somebody wrote something else into must not hide or hold up the others."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from glmcore.jobs import runner as runner_module
from glmcore.jobs.job import Job, JobState
from glmcore.jobs.runner import JobRunner
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import JobConfig

Damage = Callable[[Job, str, object], None]
DAMAGES = [
    ("needs", "{"),
    ("needs", '{"kind": 5, "count": "x"}'),
    ("needs", '{"count": 0}'),
    ("options", "[1]"),
    ("kind", "unheard"),
    ("state", "paused"),
    ("devices", "null"),
    ("stop", "maybe"),
    ("attempt", "x"),
    ("claimed_at", "x"),
    ("id", "../x"),
]


@pytest.fixture
def damage(service: JobService, tmp_path: Path) -> Damage:
    def write(job: Job, column: str, value: object) -> None:
        with sqlite3.connect(tmp_path / "home" / "glmcore.db") as connection:
            connection.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (value, job.id))

    return write


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    tokens: list[str] = []

    def launch(folder: object, token: str, *_: object) -> None:
        tokens.append(token)
        raise OSError("no process is needed here")

    monkeypatch.setattr(runner_module, "launch", launch)
    return tokens


@pytest.mark.parametrize(("column", "value"), DAMAGES)
def test_a_damaged_row_is_a_failed_job_and_the_others_run(
    service: JobService, config: JobConfig, damage: Damage, started: list[str], column: str, value: object
) -> None:
    damage(service.submit(config, name="damaged", owner="ann"), column, value)
    sound = service.submit(config, name="sound", owner="ann")
    JobRunner(service).tick()
    found = {job.name: job for job in service.queue.list()}
    assert found["damaged"].state is JobState.FAILED and found["damaged"].reason is not None
    assert "damaged job" in found["damaged"].reason["template"]
    assert started == [service.queue.get(sound.id).token]
    assert service.progress(found["damaged"]).step == 0
    assert sum(service.queue.counts().values()) == 2
    service.delete(found["damaged"].id, with_files=False)
    assert [job.name for job in service.queue.list()] == ["sound"]


# Without its attempt nobody can speak for it: then the device is free once the job is deleted.
@pytest.mark.parametrize(("column", "value"), [one for one in DAMAGES if one[0] != "attempt"])
def test_a_job_whose_row_is_damaged_while_it_runs_gives_its_device_back(
    service: JobService, config: JobConfig, damage: Damage, started: list[str], column: str, value: object
) -> None:
    job = service.submit(config, name="damaged", owner="ann")
    service.queue.claim(socket.gethostname(), "r", lambda queued, _: (queued[0], ("cpu:0",)))
    damage(job, column, value)
    sound = service.submit(config, name="sound", owner="ann")
    JobRunner(service).tick()
    assert started == [service.queue.get(sound.id).token]


@pytest.mark.parametrize("value", ["[1", '"abc"', "[]", '{"unheard": 1}'])
def test_a_job_does_without_a_summary_or_reason_that_cannot_be_read(
    service: JobService, config: JobConfig, damage: Damage, value: str
) -> None:
    job = service.submit(config, name="demo", owner="ann")
    for column, text in (("state", "stopped"), ("summary", value), ("reason", value)):
        damage(job, column, text)
    found = service.queue.get(job.id)
    assert found.state is JobState.STOPPED and service.progress(found).step == 0
