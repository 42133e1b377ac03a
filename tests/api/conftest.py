"""The API in this process: real services on a fresh SQLite file around a fake engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from glmcore.api.app import build_api
from glmcore.chat import model_host
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.server.services import Services, open_services
from tests.fakes import FakeEngine


def local_client(app: ASGIApp) -> TestClient:
    """A client on the server's own machine."""
    return TestClient(
        app, base_url="http://localhost", client=("127.0.0.1", 50_000), raise_server_exceptions=False
    )


@pytest.fixture
def engine() -> FakeEngine:
    """What every model of `services` answers with; change its answers before the first request."""
    engine = FakeEngine()
    engine.model_name = EMBEDDED_MODEL
    return engine


@pytest.fixture
def services(engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(model_host, "build_engine", lambda entry, settings, progress: engine)
    shared = open_services(Settings(home=tmp_path / "home"))
    yield shared
    shared.close()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with local_client(build_api(lambda: services)) as client:
        yield client
