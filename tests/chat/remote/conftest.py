"""A server that answers as it is told, and the engine of its one model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.chat.model_host import ModelHost
from glmcore.chat.remote.engine import RemoteEngine
from glmcore.core.settings import Settings
from tests.chat.remote.fake_server import FakeServer, running_server


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def host(server: FakeServer, tmp_path: Path) -> Iterator[ModelHost]:
    host = ModelHost(Settings(home=tmp_path, endpoints=(f"lab={server.url}",), endpoint_timeout_seconds=5))
    yield host
    host.close()


@pytest.fixture
def engine(host: ModelHost) -> RemoteEngine:
    found = host.engine("chat@lab")
    assert isinstance(found, RemoteEngine)
    return found
