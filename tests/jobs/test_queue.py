import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from glmcore.core.errors import JobError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.jobs.job import Job, JobKind, JobState, Needs, NewJob, StopWish
from glmcore.jobs.processes import ProcessId
from glmcore.jobs.queue import JobQueue, open_queue
from glmcore.jobs.runner_book import RunnerSeen
from glmcore.jobs.schema import metadata
from glmcore.jobs.service import JobService
from tests.postgres import another_like, fresh_database

HOST = "here"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home")
    if request.param == "sqlite":
        yield settings
        return
    with fresh_database() as url:
        yield replace(settings, database_url=url)


@pytest.fixture
def queue(service: JobService) -> JobQueue:
    return service.queue


def new_job(name: str = "demo", request_id: str | None = None, kind: JobKind = JobKind.TRAIN) -> NewJob:
    return NewJob(
        name=name,
        owner="ann",
        config="train_file: rows.jsonl\n",
        method="lora",
        base_model="tiny",
        data="rows.jsonl",
        needs=Needs(),
        kind=kind,
        request_id=request_id,
    )


def add(queue: JobQueue, *names: str) -> list[Job]:
    return [queue.add(new_job(name), name) for name in names]


def first_on_cpu(queued: Sequence[Job], live: Sequence[Job]) -> tuple[Job, tuple[str, ...]] | None:
    return (queued[0], ("cpu:0",)) if queued and not live else None


def claimed(queue: JobQueue) -> Job:
    job = queue.claim(HOST, "runner", first_on_cpu)
    assert job is not None
    return job


def test_migrations_lead_to_the_schema_the_code_uses(
    queue: JobQueue, settings: Settings, tmp_path: Path
) -> None:
    def shape(url: str) -> dict[str, object]:
        engine = create_engine(url)
        found = inspect(engine)
        tables = {
            name: (
                [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
                found.get_pk_constraint(name),
                found.get_indexes(name),
                found.get_unique_constraints(name),
            )
            for name in found.get_table_names()
        }
        engine.dispose()
        return tables

    with another_like(settings.resolved_database_url, tmp_path) as direct:
        engine = create_engine(direct)
        metadata.create_all(engine)
        engine.dispose()
        expected = shape(direct)
    migrated = shape(settings.resolved_database_url)
    assert migrated.pop("jobs_migrations")
    assert migrated == expected


def test_a_job_is_read_as_it_was_added(queue: JobQueue) -> None:
    new = replace(new_job("名字 \x00"), options={"checkpoint": "/x", "compare_base": True}, note="why")
    job = queue.add(new, "id-1")
    assert (job.name, job.state, job.options["compare_base"]) == ("名字 \ufffd", JobState.QUEUED, True)
    assert queue.list() == [job] == queue.queued()


def test_a_request_sent_twice_makes_one_job(queue: JobQueue) -> None:
    first = queue.add(new_job(request_id="r"), "demo-1")
    assert queue.add(new_job(request_id="r"), "demo-2") == first
    assert len(queue.list()) == 1


def test_a_request_sent_by_many_at_once_makes_one_job(queue: JobQueue, settings: Settings) -> None:
    found: list[Job] = []
    others = [open_queue(settings.resolved_database_url) for _ in range(6)]
    threads = [
        threading.Thread(target=lambda q=q, n=n: found.append(q.add(new_job(request_id="r"), f"demo-{n}")))
        for n, q in enumerate(others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert len(found) == 6 and len({job.id for job in found}) == 1
    assert len(queue.list()) == 1


def test_one_job_is_claimed_once_by_many_dashboards(queue: JobQueue, settings: Settings) -> None:
    add(queue, "only")
    claims: list[Job | None] = []
    others = [open_queue(settings.resolved_database_url) for _ in range(6)]
    threads = [
        threading.Thread(
            target=lambda q=q: claims.append(
                q.claim(HOST, "x", lambda a, b: (a[0], ("cpu:0",)) if a else None)
            )
        )
        for q in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert [job.id for job in claims if job is not None] == ["only"]
    assert queue.get("only").attempt == 1


def test_no_device_is_given_to_two_jobs_even_by_a_careless_picker(queue: JobQueue) -> None:
    add(queue, "a", "b")
    claimed(queue)
    assert queue.claim(HOST, "runner", lambda queued, live: (queued[0], ("cpu:0",))) is None
    assert queue.get("b").state is JobState.QUEUED


def test_jobs_come_in_their_order_and_can_be_moved(queue: JobQueue) -> None:
    add(queue, "a", "b", "c")
    queue.move("c", "a")
    assert [job.id for job in queue.queued()] == ["c", "a", "b"]
    queue.move("c", None)
    assert [job.id for job in queue.queued()] == ["a", "b", "c"]
    claimed(queue)
    with pytest.raises(JobError, match="does not wait any more; it is running"):
        queue.move("a", None)


def test_the_end_of_a_job_frees_its_device(queue: JobQueue) -> None:
    add(queue, "a", "b")
    job = claimed(queue)
    assert queue.started(job, ProcessId(1, "then"))
    assert queue.get("a").process == ProcessId(1, "then")
    assert queue.end(job, JobState.FINISHED, 0, summary={"step": 3})
    ended = queue.get("a")
    assert (ended.state, ended.exit_code, ended.summary, ended.process) == ("finished", 0, {"step": 3}, None)
    assert claimed(queue).id == "b"


def test_an_earlier_attempt_has_no_say(queue: JobQueue) -> None:
    add(queue, "a")
    first = claimed(queue)
    assert queue.put_back(first)
    second = claimed(queue)
    assert not queue.end(first, JobState.FAILED, 1)
    assert not queue.started(first, ProcessId(1, "then"))
    assert (queue.get("a").state, second.attempt) == (JobState.RUNNING, 2)


def test_a_queued_job_is_cancelled_at_once(queue: JobQueue) -> None:
    add(queue, "a")
    assert queue.ask_stop("a", StopWish.SAVE).state is JobState.STOPPED
    assert queue.claim(HOST, "runner", first_on_cpu) is None


def test_a_stronger_wish_to_stop_replaces_a_weaker_one(queue: JobQueue) -> None:
    add(queue, "a")
    claimed(queue)
    first = queue.ask_stop("a", StopWish.DISCARD)
    assert (first.state, first.stop) == (JobState.STOPPING, StopWish.DISCARD)
    assert queue.ask_stop("a", StopWish.SAVE).stop is StopWish.DISCARD
    killed = queue.ask_stop("a", StopWish.KILL)
    assert (killed.stop, killed.stop_asked_at) == (StopWish.KILL, first.stop_asked_at)


def test_what_has_ended_cannot_be_stopped_and_says_so(queue: JobQueue) -> None:
    add(queue, "a")
    queue.end(claimed(queue), JobState.FINISHED, 0)
    with pytest.raises(JobError, match="has ended already: it is finished"):
        queue.ask_stop("a", StopWish.SAVE)


def test_an_ended_job_waits_again_with_nothing_of_its_end(queue: JobQueue) -> None:
    add(queue, "a", "b")
    job = claimed(queue)
    queue.ask_stop("a", StopWish.SAVE)
    queue.end(job, JobState.STOPPED, 0, reason={"template": "x", "values": {}}, summary={"step": 1})
    again = queue.requeue("a", "train_file: other.jsonl\n")
    assert (again.stop, again.reason, again.exit_code, again.ended_at) == (None, None, None, None)
    assert (again.config, again.summary) == ("train_file: other.jsonl\n", {"step": 1})
    assert [job.id for job in queue.queued()] == ["b", "a"]
    with pytest.raises(JobError, match="has not ended: it is queued"):
        queue.requeue("a")


def test_a_claim_that_was_asked_to_stop_is_not_queued_again(queue: JobQueue) -> None:
    add(queue, "a")
    claimed(queue)
    queue.put_back(queue.ask_stop("a", StopWish.SAVE))
    assert queue.get("a").state is JobState.STOPPED


def test_a_row_deleted_by_hand_keeps_no_device(queue: JobQueue, settings: Settings) -> None:
    add(queue, "a", "b")
    claimed(queue)
    by_hand = create_engine(settings.resolved_database_url)
    with by_hand.begin() as connection:
        connection.execute(text("DELETE FROM jobs WHERE id = 'a'"))
    by_hand.dispose()
    assert claimed(queue).id == "b"


def test_notes_and_names_of_any_size_are_cut(queue: JobQueue) -> None:
    queue.add(replace(new_job("n" * 10**6), note="x" * 10**6, batch="b" * 10**6), "a")
    queue.annotate("a", "y" * 10**6)
    job = queue.get("a")
    assert (len(job.name), len(job.batch), len(job.note)) == (120, 120, 10_000)


def test_a_live_job_cannot_be_forgotten(queue: JobQueue) -> None:
    add(queue, "a", "b")
    claimed(queue)
    with pytest.raises(JobError, match="stop it before"):
        queue.forget("a")
    queue.forget("b")
    with pytest.raises(NotFoundError, match="no job 'b'"):
        queue.get("b")
    assert [job.id for job in queue.list()] == ["a"]


def test_lists_are_filtered(queue: JobQueue) -> None:
    add(queue, "a", "b")
    queue.add(new_job("c", kind=JobKind.PREDICT), "c")
    queue.archive("a", True)
    assert {job.id for job in queue.list()} == {"b", "c"}
    assert {job.id for job in queue.list(archived=None)} == {"a", "b", "c"}
    assert [job.id for job in queue.list(kinds=[JobKind.PREDICT])] == ["c"]
    assert queue.list(states=[JobState.FAILED]) == []
    assert queue.counts() == {JobState.QUEUED: 2}


def test_names_and_notes_change_and_a_name_is_never_blank(queue: JobQueue) -> None:
    add(queue, "a")
    queue.rename("a", "  better \n name ")
    queue.annotate("a", " why \n")
    assert (queue.get("a").name, queue.get("a").note) == ("better name", "why")
    queue.rename("a", " ")
    assert queue.get("a").name == "a"
    with pytest.raises(NotFoundError):
        queue.rename("zz", "x")


def test_runners_sign_in_and_leave(queue: JobQueue) -> None:
    queue.book.beat(RunnerSeen("old", HOST, "worker", (), 1.0))
    queue.book.beat(RunnerSeen("one", HOST, "dashboard", ("cpu:0",), 100_000.0))
    queue.book.beat(RunnerSeen("one", HOST, "dashboard", ("cpu:0",), 100_010.0))
    assert queue.runners() == [RunnerSeen("one", HOST, "dashboard", ("cpu:0",), 100_010.0)]
    queue.book.leave("one")
    assert queue.runners() == []
