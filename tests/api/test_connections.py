"""Clients that send half a request, or far too much of one."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from uvicorn import Config, Server

from glmcore.api import connections
from glmcore.api.connections import ImpatientProtocol
from glmcore.api.health import health_routes
from glmcore.server.readiness import Readiness


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "FIRST_REQUEST_SECONDS", 0.2)
    app = Starlette(routes=health_routes(lambda: Readiness(reason="none")))
    server = Server(Config(app, port=0, log_level="critical", lifespan="off", http=ImpatientProtocol))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


def test_who_sends_half_a_request_is_cut_off(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as half:
        half.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        assert half.recv(100) == b""


def test_who_has_asked_may_stay_and_ask_again(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as asker:
        for _ in range(2):
            asker.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert asker.recv(10_000).startswith(b"HTTP/1.1 200")
            time.sleep(0.25)


def test_headers_without_end_are_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as flooding:
        flooding.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000)
        assert flooding.recv(100).startswith(b"HTTP/1.1 400")
