"""OpenAI's own client, on the API in this process and on a server whose connections can be closed."""

import threading
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest
from openai import OpenAI
from starlette.testclient import TestClient
from uvicorn import Config, Server

from glmcore.api.app import build_api
from glmcore.server.services import Services


@pytest.fixture
def openai(client: TestClient) -> OpenAI:
    return OpenAI(base_url="http://localhost/v1", api_key="none", http_client=client, max_retries=0)


@pytest.fixture
def server_url(services: Services) -> Iterator[str]:
    """A real server on a free port."""
    server = Server(Config(build_api(lambda: services), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def far_openai(server_url: str) -> Iterator[OpenAI]:
    """A client that reads a stream while it is sent."""
    with OpenAI(base_url=server_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def wait() -> Callable[[Callable[[], bool]], None]:
    return wait_until


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + 10
    while not is_so():
        assert monotonic() < deadline, "it did not happen within 10 s"
        sleep(0.005)
