"""The two health endpoints, over HTTP in this process."""

from starlette.applications import Starlette
from starlette.testclient import TestClient

from glmcore.api import health_routes


def client(models: list[str], reason: str = "") -> TestClient:
    return TestClient(Starlette(routes=health_routes(lambda: (models, reason))))


def test_process_is_healthy_whatever_the_model_does() -> None:
    reply = client([], "loading").get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_ready_names_the_loaded_models() -> None:
    reply = client(["a", "b"]).get("/readyz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "models": ["a", "b"]})


def test_not_ready_says_why() -> None:
    reply = client([], "Converting").get("/readyz")
    assert (reply.status_code, reply.json()) == (503, {"status": "not ready", "reason": "Converting"})


def test_health_is_read_only() -> None:
    assert client([]).post("/healthz").status_code == 405
