"""What Prometheus is told."""

import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from glmcore.api.app import build_api
from glmcore.chat.running_answer import RunningAnswer, Unstored
from glmcore.core.errors import EngineError
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.keys import Right
from glmcore.server.services import Services
from tests.api.conftest import local_client
from tests.fakes import FakeEngine


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Values by name and labels, as `("glmcore_jobs", "running")`; labels by their names."""
    reply = client.get("/metrics")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(reply.text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def ask(services: Services, answer_id: str = "a", model: str = EMBEDDED_MODEL) -> RunningAnswer:
    question = ChatRequest(
        messages=(Message("user", "Who are you?"),), params=GenerationParams(), model=model
    )
    return services.answers.start(answer_id, question, Unstored())


def wait_for_all(services: Services) -> None:
    """Until those that ended have been counted too."""
    for thread in threading.enumerate():
        if thread.name.startswith("answer-"):
            thread.join(10)


def test_requests_are_counted_by_the_template_of_their_address(client: TestClient) -> None:
    for path in ("/metrics", "/api/a", "/api/b"):
        client.get(path)
    client.request("BREW", "/metrics")
    found = samples(client)
    assert found["glmcore_http_requests_total", "GET", "/metrics", "200"] == 1
    assert found["glmcore_http_requests_total", "GET", "unmatched", "404"] == 2
    assert found["glmcore_http_requests_total", "other", "/metrics", "405"] == 1
    assert found["glmcore_http_request_seconds_count", "GET", "unmatched"] == 2


def test_answers_are_counted_whoever_asked_for_them(client: TestClient, services: Services) -> None:
    samples(client)  # from now on
    ask(services)
    wait_for_all(services)
    found = samples(client)
    assert found["glmcore_answers_total", EMBEDDED_MODEL, "end"] == 1
    assert found["glmcore_prompt_tokens_total", EMBEDDED_MODEL] == 3
    assert found["glmcore_completion_tokens_total", EMBEDDED_MODEL] == 2
    assert found["glmcore_time_to_first_token_seconds_count", EMBEDDED_MODEL] == 1
    assert found["glmcore_time_per_token_seconds_count", EMBEDDED_MODEL] == 1
    assert found["glmcore_running_answers",] == found["glmcore_waiting_answers",] == 0


def test_a_failed_answer_is_counted_without_times(
    client: TestClient, services: Services, engine: FakeEngine
) -> None:
    samples(client)
    engine._answers = iter([EngineError("It broke.")])
    ask(services)
    wait_for_all(services)
    found = samples(client)
    assert found["glmcore_answers_total", EMBEDDED_MODEL, "error"] == 1
    assert not [key for key in found if key[0].startswith("glmcore_time_to_first_token")]


def test_names_of_models_that_there_are_not_make_no_labels(client: TestClient, services: Services) -> None:
    samples(client)
    for number in range(3):
        ask(services, f"a{number}", f"made-up-{number}")
    wait_for_all(services)
    found = samples(client)
    assert found["glmcore_answers_total", "other", "error"] == 3
    assert not [key for key in found if "made-up" in str(key)]


def test_answers_in_progress_are_running_or_waiting(
    client: TestClient, services: Services, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, may_load = threading.Semaphore(0), threading.Event()
    engine._gate = gate
    monkeypatch.setattr(
        services.models, "_build", lambda entry, settings, progress: (may_load.wait(10), engine)[1]
    )
    answer = ask(services)
    found = samples(client)
    assert (found["glmcore_running_answers",], found["glmcore_waiting_answers",]) == (0, 1)
    assert found["glmcore_loaded_models",] == 0
    may_load.set()
    gate.release()
    answer.wait(0, 10)
    found = samples(client)
    assert (found["glmcore_running_answers",], found["glmcore_waiting_answers",]) == (1, 0)
    assert found["glmcore_loaded_models",] == found["glmcore_model_ready", "fake", EMBEDDED_MODEL] == 1
    gate.release()
    wait_for_all(services)


def test_a_dead_engine_is_loaded_and_not_ready(
    client: TestClient, services: Services, engine: FakeEngine
) -> None:
    services.models.engine(EMBEDDED_MODEL)
    engine.fault, engine.held_bytes = EngineError("It died."), {"cpu": 5}
    found = samples(client)
    assert found["glmcore_model_ready", "fake", EMBEDDED_MODEL] == 0
    assert found["glmcore_model_held_bytes", "cpu", "fake", EMBEDDED_MODEL] == 5


def test_jobs_and_memory_are_told(client: TestClient) -> None:
    found = samples(client)
    assert found["glmcore_jobs", "running"] == found["glmcore_jobs", "queued"] == 0
    assert found["process_resident_memory_bytes",] > 1_000_000


def test_only_keys_that_may_measure_read_them(client: TestClient, services: Services) -> None:
    _, chats = services.keys.make("chats")
    _, measures = services.keys.make("measures", rights={Right.METRICS})
    status = [
        client.get("/metrics", headers={"authorization": f"Bearer {secret}"} if secret else {}).status_code
        for secret in (None, chats, measures)
    ]
    assert status == [401, 403, 200]


def test_two_apis_in_one_process_count_each_for_itself(services: Services) -> None:
    first, second = (local_client(build_api(lambda: services)) for _ in range(2))
    samples(first), samples(second)
    ask(services)
    wait_for_all(services)
    for client in (first, second):
        found = samples(client)
        assert found["glmcore_answers_total", EMBEDDED_MODEL, "end"] == 1
        assert found["glmcore_http_requests_total", "GET", "/metrics", "200"] == 1


def test_programs_that_want_open_metrics_get_them(client: TestClient) -> None:
    reply = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")
