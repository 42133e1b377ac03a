"""The two health endpoints, over HTTP in this process."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from glmcore.api import health_routes
from glmcore.chat import model_host
from glmcore.core.errors import EngineError, ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.server.readiness import Readiness, readiness
from glmcore.server.services import Services
from tests.fakes import FakeEngine


def client(now: Readiness) -> TestClient:
    return TestClient(Starlette(routes=health_routes(lambda: now)))


def test_process_is_healthy_whatever_the_model_does() -> None:
    reply = client(Readiness(reason="loading")).get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_ready_names_the_models_that_can_answer() -> None:
    reply = client(Readiness(("a", "b"))).get("/readyz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "models": ["a", "b"]})


def test_not_ready_says_why() -> None:
    reply = client(Readiness(reason="Converting")).get("/readyz")
    assert (reply.status_code, reply.json()) == (503, {"status": "not ready", "reason": "Converting"})


def test_health_is_read_only() -> None:
    assert client(Readiness()).post("/healthz").status_code == 405


def test_nothing_is_ready_before_a_model_is_asked_for(services: Services) -> None:
    assert readiness(services) == Readiness(reason="no model has been asked for")


def test_a_loaded_model_is_ready(services: Services) -> None:
    services.models.engine(EMBEDDED_MODEL)
    assert readiness(services) == Readiness((EMBEDDED_MODEL,))


def test_a_dead_engine_is_not_ready_until_it_is_mended(services: Services, engine: FakeEngine) -> None:
    services.models.engine(EMBEDDED_MODEL)
    engine.fault = EngineError("The worker died.")
    assert readiness(services) == Readiness(reason=f"{EMBEDDED_MODEL}: The worker died.")
    engine.fault = None
    assert readiness(services).models


def test_a_model_that_cannot_be_loaded_is_the_reason(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ModelLoadError("It is broken.")

    monkeypatch.setattr(services.models, "_build", fail)
    with pytest.raises(ModelLoadError):
        services.models.engine(EMBEDDED_MODEL)
    assert readiness(services) == Readiness(reason="It is broken.")


def test_a_model_on_its_way_says_how_far_it_is(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.models, "state", lambda name: model_host.LoadState("Converting", 0.5))
    assert readiness(services) == Readiness(reason="Converting")


def test_a_server_that_is_about_to_end_is_not_ready(services: Services) -> None:
    services.models.engine(EMBEDDED_MODEL)
    services.answers.drain(0)
    now = readiness(services)
    assert not now.models and "about to end" in now.reason


def test_a_full_server_is_ready(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.models.engine(EMBEDDED_MODEL)
    monkeypatch.setattr(services.answers, "num_running", lambda: 64)
    assert readiness(services).models
