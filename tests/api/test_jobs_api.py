"""Jobs over HTTP: submitted, listed, stopped, gone on with, followed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from glmcore.api import events
from glmcore.api.jobs import following
from glmcore.api.jobs.following import Follower, Seen, events_of
from glmcore.core.errors import UnknownCallerError
from glmcore.jobs.job import Job, JobState
from glmcore.keys import Caller, Right
from glmcore.server.services import Services


@pytest.fixture
def rows(services: Services) -> Path:
    path = services.settings.home / "datasets" / "rows.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"prompt": "one", "response": "two"}\n')
    return path


@pytest.fixture
def job(services: Services, client: TestClient, rows: Path) -> Job:
    queued = client.post("/api/jobs", json={"name": "demo", "config": {"train_file": str(rows)}})
    assert queued.status_code == 201, queued.text
    return services.jobs.queue.get(queued.json()["id"])


def begin(services: Services) -> Job:
    live = services.jobs.queue.claim("here", "r", lambda queued, _: (queued[0], ("cpu:0",)))
    assert live is not None
    return live


def end(services: Services, live: Job, state: JobState = JobState.FINISHED) -> None:
    services.jobs.queue.end(live, state, 0)


def write(services: Services, job: Job, *, metrics: str = "", log: str = "") -> None:
    folder = services.jobs.folder(job.id)
    for path, text in ((folder.metrics, metrics), (folder.log, log)):
        with path.open("a") as file:
            file.write(text)


def read_events(text: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        yield fields["event"], json.loads(fields["data"]), fields.get("id", "")


def test_a_job_comes_as_values_or_as_yaml(services: Services, client: TestClient, rows: Path) -> None:
    values = {"train_file": str(rows), "lora_rank": 4, "learning_rate": 1e-4, "max_steps": 3}
    first = client.post("/api/jobs", json={"name": "My run", "config": values, "note": "n"}).json()
    assert first["id"].startswith("my-run-") and (first["state"], first["owner"]) == ("queued", "local")
    yaml = f"train_file: {rows}\nlora_rank: 4\nlearning_rate: 1e-4\nmax_steps: 3\noutput_dir: /etc/passwd\n"
    second = client.post("/api/jobs", json={"name": "y", "yaml": yaml}).json()
    configs = [client.get(f"/api/jobs/{one['id']}").json()["config"] for one in (first, second)]
    assert configs[0] == configs[1] and configs[0]["lora_rank"] == 4 and configs[0]["train_file"] == str(rows)
    assert any("Only the last step is saved" in note for note in first["notes"])


def test_a_request_sent_twice_gives_one_job(services: Services, client: TestClient, rows: Path) -> None:
    body = {"name": "a", "config": {"train_file": str(rows)}}
    ids = {client.post("/api/jobs", json=body, headers={"Idempotency-Key": "k"}).json()["id"] for _ in "ab"}
    ids.add(client.post("/api/jobs", json=body | {"request_id": "k"}).json()["id"])
    assert len(ids) == 1 and len(services.jobs.queue.list()) == 1
    differing = client.post("/api/jobs", json=body | {"request_id": "b"}, headers={"Idempotency-Key": "k"})
    assert differing.status_code == 400


def test_all_that_is_wrong_with_a_job_is_said_at_once(client: TestClient, tmp_path: Path) -> None:
    values = {"train_file": "/etc/hosts.jsonl", "lora_rank": "many", "banana": 1, "optim": "magic"}
    refused = client.post("/api/jobs", json={"name": "a", "config": values})
    said = refused.json()["error"]["message"]
    assert refused.status_code == 400 and len(said.splitlines()) == 4
    assert all(name in said for name in values) and "is not among the data sets" in said
    unread = client.post("/api/jobs", json={"name": "a", "yaml": "a: b: c"}).json()["error"]["message"]
    assert "not valid YAML" in unread and "train_file" not in unread


def test_files_outside_of_the_data_sets_are_refused_whether_they_are_there_or_not(client: TestClient) -> None:
    said = []
    for path in ("/etc/passwd.jsonl", "/etc/../etc/x.jsonl", __file__):
        refused = client.post("/api/jobs", json={"name": "a", "config": {"train_file": path}})
        assert refused.status_code == 400
        said.append(refused.json()["error"]["message"].replace(path, "P"))
    assert said[0] == said[1] and "no such" not in said[0] and "not among the data sets" in said[2]


WRONG: list[tuple[dict[str, Any], int]] = [
    ({"name": "a"}, 400),
    ({"name": "a", "config": {}, "yaml": "a: 1"}, 400),
    ({"name": "a", "config": {}}, 400),
    ({"name": "a", "yaml": ""}, 400),
    ({"name": "a", "yaml": "[" * 500}, 400),
    ({"name": "a", "yaml": "!!python/object:os.system x"}, 400),
    ({"name": "a", "config": {"max_steps": 10**30, "seed": 1e300, "encoding": "\0"}}, 400),
    ({"name": "a", "config": {"lora_targets": {"a": 1}}}, 422),
    ({"name": "a", "config": {"base_model": "\ud800", "\ud801": "a"}}, 400),
    ({"name": "\ud800", "config": {}}, 422),
    ({"name": "a" * 121, "config": {}}, 422),
    ({"name": "", "config": {}}, 422),
    ({"config": {}}, 422),
    ({"name": "a", "config": {}, "other": 1}, 422),
]


def test_a_wrong_request_is_refused_in_a_sentence(client: TestClient) -> None:
    for body, status in WRONG:
        headers = {"content-type": "application/json"}
        refused = client.post("/api/jobs", content=json.dumps(body), headers=headers)
        assert refused.status_code == status and refused.json()["error"]["message"], body


def test_jobs_are_listed_by_state_and_in_pages(services: Services, client: TestClient, job: Job) -> None:
    for name in "bc":
        config = {"train_file": services.jobs.config_of(job).data.train_file.as_posix()}
        client.post("/api/jobs", json={"name": name, "config": config})
    end(services, begin(services))
    page = client.get("/api/jobs", params={"limit": 1, "offset": 1}).json()
    assert (page["total"], [one["name"] for one in page["jobs"]]) == (3, ["b"])
    ended = client.get("/api/jobs", params={"state": ["finished", "failed"]}).json()
    assert [one["id"] for one in ended["jobs"]] == [job.id]
    services.jobs.archive(job.id, True)
    assert client.get("/api/jobs").json()["total"] == 2
    assert client.get("/api/jobs?archived=true").json()["total"] == 1


def test_a_job_is_stopped_gone_on_with_and_deleted(services: Services, client: TestClient, job: Job) -> None:
    stopped = client.post(f"/api/jobs/{job.id}/stop")
    assert stopped.json()["state"] == "stopped"
    again = client.post(f"/api/jobs/{job.id}/stop")
    assert again.status_code == 409 and "ended already" in again.json()["error"]["message"]
    assert client.post(f"/api/jobs/{job.id}/resume").json()["state"] == "queued"
    live = begin(services)
    assert client.post(f"/api/jobs/{job.id}/stop", json={"how": "kill"}).json()["stop"] == "kill"
    assert client.delete(f"/api/jobs/{job.id}").status_code == 409
    end(services, live)
    assert client.post(f"/api/jobs/{job.id}/resume", json={"max_steps": 9}).status_code == 409
    assert client.delete(f"/api/jobs/{job.id}?files=true").status_code == 204
    assert not services.jobs.folder(job.id).path.exists()


def test_a_job_that_is_not_there_is_told_so(client: TestClient) -> None:
    for job_id in ("nobody", "%00", ".%2e", "%2e%2e%2fetc", "a" * 200, "%ff%fe", "谈话"):
        for path in ("", "/log", "/events"):
            assert client.get(f"/api/jobs/{job_id}{path}").status_code == 404, job_id
        for path in ("/stop", "/resume"):
            assert client.post(f"/api/jobs/{job_id}{path}").status_code == 404, job_id


def test_a_failed_job_says_why(services: Services, client: TestClient, job: Job) -> None:
    live = begin(services)
    write(services, job, log="=== attempt 1\nRuntimeError: CUDA out of memory\n")
    services.jobs.queue.end(live, JobState.FAILED, 1)
    told = client.get(f"/api/jobs/{job.id}").json()
    assert "exit code 1" in told["explanation"] and told["resume_problem"] is None
    log = client.get(f"/api/jobs/{job.id}/log", params={"lines": 1}).json()
    assert log == {"lines": ["RuntimeError: CUDA out of memory"]}


def test_a_key_needs_the_right_and_owns_what_it_submits(
    services: Services, client: TestClient, rows: Path
) -> None:
    _key, chat = services.keys.make("chat")
    _key, secret = services.keys.make("jobs", user="ann", rights={Right.JOBS})
    assert client.get("/api/jobs", headers={"Authorization": f"Bearer {chat}"}).status_code == 403
    assert client.get("/api/jobs").status_code == 401
    client.headers["Authorization"] = f"Bearer {secret}"
    body = {"name": "a", "config": {"train_file": str(rows)}}
    assert client.post("/api/jobs", json=body).json()["owner"] == "ann"


def test_a_job_that_has_ended_is_told_whole_and_once(
    services: Services, client: TestClient, job: Job
) -> None:
    live = begin(services)
    write(services, job, metrics='{"step": 1, "loss": NaN}\nno point\n{"step": 2}\n{"st', log="a\rb\n\nlast")
    end(services, live)
    found = list(read_events(client.get(f"/api/jobs/{job.id}/events").text))
    assert [name for name, _, _ in found] == ["state", "metrics", "metrics", "log", "log", "log", "end"]
    assert [data for name, data, _ in found if name == "metrics"] == [{"step": 1, "loss": None}, {"step": 2}]
    assert [data["line"] for name, data, _ in found if name == "log"] == ["b", "", "last"]
    for seen, (_name, _data, event_id) in enumerate(found, start=1):
        rest = client.get(f"/api/jobs/{job.id}/events", headers={"Last-Event-ID": event_id})
        assert list(read_events(rest.text) if rest.text else []) == found[seen:]
        assert rest.status_code == (204 if seen == len(found) else 200)
    assert client.post(f"/api/jobs/{job.id}/stop").status_code == 409


def test_an_id_that_no_event_had_is_refused(client: TestClient, job: Job) -> None:
    wrong = ("x", "0-queued-_b_c", "0-queued-_0-0", "_0-0_0-0", "0-queued-_0-0_0-0_0-0", "0-queued-é_0-0_0-0")
    for event_id in wrong:
        headers = {b"Last-Event-ID": event_id.encode()}
        assert client.get(f"/api/jobs/{job.id}/events", headers=headers).status_code == 400


def names(follower: Follower) -> list[str]:
    text = follower.look().events.decode()
    return [name for name, _, _ in read_events(text)] if text else []


def test_a_follower_is_told_what_changes(services: Services, job: Job) -> None:
    follower = Follower(services.jobs, job.id, Seen())
    assert names(follower) == ["state"] and names(follower) == []
    live = begin(services)
    write(services, job, metrics='{"step": 1}\n{"st', log="one\n")
    assert names(follower) == ["state", "metrics", "log"]
    write(services, job, metrics='ep": 2}\n')
    assert names(follower) == ["metrics"]
    services.jobs.folder(job.id).metrics.write_text('{"step": 1, "is": "anew"}\n')
    assert names(follower) == ["rewritten", "metrics"]
    end(services, live)
    assert names(follower) == ["state", "end"] and follower.is_done()
    services.jobs.queue.requeue(job.id)
    assert not follower.is_done() and names(follower) == ["state"]


def test_a_look_is_bounded_and_the_next_goes_on_at_once(
    services: Services, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "READ_BYTES", 10_000)
    live = begin(services)
    write(services, job, metrics="".join(f'{{"step": {step}}}\n' for step in range(3_000)))
    end(services, live)
    follower = Follower(services.jobs, job.id, Seen())
    looks = [follower.look()]
    while not looks[-1].is_done:
        assert looks[-1].is_behind
        looks.append(follower.look())
    assert len(looks) > 3 and max(len(look.events) for look in looks) < 100_000
    told = read_events("".join(look.events.decode() for look in looks))
    steps = [data["step"] for name, data, _ in told if name == "metrics"]
    assert steps == list(range(3_000))


def test_a_stream_ends_with_its_job_or_with_the_server(
    services: Services, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(following, "SIGN_OF_LIFE_SECONDS", 0.0)

    async def follow(is_ending: Any) -> list[bytes]:
        follower = Follower(services.jobs, job.id, Seen())
        return [sent async for sent in events_of(follower, is_ending)]

    endings = iter([False, False, True])
    told = asyncio.run(follow(lambda: next(endings)))
    assert told[0].startswith(b"event: state") and told[1].startswith(b":") and len(told) == 2
    looks = iter([None, lambda: end(services, begin(services)), lambda: None])

    def step() -> bool:
        if (action := next(looks)) is not None:
            action()
        return False

    assert b"event: end" in asyncio.run(follow(step))[-1]
    services.jobs.delete(job.id, with_files=True)
    assert b"event: fault" in asyncio.run(follow(lambda: False))[0]


def test_a_value_of_a_million_texts_is_refused_by_its_length(client: TestClient) -> None:
    body = {"name": "a", "config": {"train_file": [1] * 1_000_000}}
    refused = client.post("/api/jobs", json=body)
    assert refused.status_code == 422 and "config.train_file" in refused.json()["error"]["message"]


def test_who_follows_without_end_is_told_when_his_key_was_revoked(services: Services, job: Job) -> None:
    key, _secret = services.keys.make("ci", rights={Right.JOBS})
    caller = Caller(key.user, key)
    follower = Follower(services.jobs, job.id, Seen(), lambda: services.admission.check_again(caller))
    assert names(follower) == ["state"]
    services.keys.revoke(key.id)
    with pytest.raises(UnknownCallerError):
        follower.look()
