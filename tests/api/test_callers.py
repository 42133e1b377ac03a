"""Who counts as somebody on this machine, and what a key in a header opens."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from glmcore.api.app import build_api
from glmcore.api.callers import CallersFirst, ChatCaller, HistoryCaller, JobsCaller, MetricsCaller, is_local
from glmcore.keys import Right
from glmcore.server.services import Services

LOCAL = {"host": "localhost:8501"}
FAR = [
    "192.168.1.7",
    "10.0.0.1",
    "8.8.8.8",
    "::ffff:8.8.8.8",
    "fe80::1%eth0",
    "2001:db8::1",
    "::",
    "::7f00:1",
]
FOREIGN = ["evil.example:8501", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example", "ä"]
BROKEN = ["", "[::1", "[", "//localhost", "localhost.", ":80"]


def sent(address: str | None = "127.0.0.1", /, **headers: str) -> Request:
    """A request from an address, with headers; `_` stands for a hyphen."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    client = (address, 50000) if address is not None else None
    return Request({"type": "http", "method": "GET", "path": "/", "client": client, "headers": raw})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_loopback_addresses_are_this_machine(address: str) -> None:
    assert is_local(sent(address, **LOCAL))


@pytest.mark.parametrize(
    "address", [None, "", *FAR, "0.0.0.0", "127.1", "localhost", "127.0.0.1.example.com"]
)
def test_other_addresses_are_not(address: str | None) -> None:
    assert not is_local(sent(address, **LOCAL))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "127.0.0.1:8501", "[::1]:8501", "[::1]", "127.0.0.2", "[::ffff:127.0.0.1]"],
)
def test_local_names_and_loopback_addresses_are_asked_for_from_here(host: str) -> None:
    assert is_local(sent(host=host))


@pytest.mark.parametrize("host", [*FOREIGN, *BROKEN, "0.0.0.0:8501", "192.168.1.7:8501"])
def test_a_name_that_somebody_let_point_here_is_not_this_machine(host: str) -> None:
    assert not is_local(sent(host=host))


def test_a_request_without_a_host_is_not_from_here() -> None:
    assert not is_local(sent())


@pytest.mark.parametrize(
    "header",
    ["x_forwarded_for", "forwarded", "x_real_ip", "via", "x_forwarded_host", "x_forwarded_proto"],
)
def test_what_a_proxy_forwards_is_not_from_here_whatever_it_says(header: str) -> None:
    for value in ("127.0.0.1", "for=127.0.0.1", "", "http"):
        assert not is_local(sent(**LOCAL, **{header: value}))


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:8501"])
def test_a_page_of_this_machine_may_ask(origin: str) -> None:
    assert is_local(sent(**LOCAL, origin=origin))
    assert is_local(sent(**LOCAL, origin=origin, sec_fetch_site="cross-site"))  # localhost and 127.0.0.1


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "file://", "http://localhost.evil.example", "http://[", "localhost"],
)
def test_a_page_of_somebody_else_may_not(origin: str) -> None:
    assert not is_local(sent(**LOCAL, origin=origin))


def test_a_picture_on_a_page_of_somebody_else_may_not_fetch_from_here() -> None:
    assert not is_local(sent(**LOCAL, sec_fetch_site="cross-site"))
    for site in ("same-origin", "same-site", "none"):
        assert is_local(sent(**LOCAL, sec_fetch_site=site))


# Keys in headers, over HTTP.


@pytest.fixture
def ask(services: Services) -> Iterator[Callable[..., TestClient]]:
    """Makes clients at an address of an API whose endpoints tell who asked."""
    api: FastAPI = build_api(lambda: services)

    @api.get("/api/for/chat")
    def chat(caller: ChatCaller) -> str:
        return caller.user

    @api.get("/api/for/jobs")
    def jobs(caller: JobsCaller) -> str:
        return caller.user

    @api.get("/api/for/history")
    def history(caller: HistoryCaller) -> str:
        return caller.user

    @api.get("/api/for/metrics")
    def metrics(caller: MetricsCaller) -> str:
        return caller.user

    def client(address: str = "127.0.0.1", secret: str | None = None) -> TestClient:
        headers = {"authorization": f"Bearer {secret}"} if secret is not None else {}
        return TestClient(
            api, "http://localhost:8501", headers=headers, client=(address, 5), raise_server_exceptions=False
        )

    yield client


def test_without_keys_this_machine_is_answered_and_others_are_told_what_to_do(ask) -> None:
    for right in Right:
        assert ask().get(f"/api/for/{right}").json() == "local"
    far = ask("192.168.1.7").get("/api/for/chat")
    assert far.status_code == 403 and far.json()["error"]["type"] == "permission_error"
    assert "keys make NAME" in far.json()["error"]["message"]


def test_without_keys_any_secret_does_on_this_machine_only(ask) -> None:
    assert ask(secret="EMPTY").get("/api/for/chat").json() == "local"
    assert ask("192.168.1.7", "EMPTY").get("/api/for/chat").status_code == 403


def test_a_key_opens_from_anywhere_for_its_user_and_its_rights(ask, services: Services) -> None:
    _, secret = services.keys.make("one", user="ann", rights={Right.CHAT, Right.HISTORY})
    for address in ("127.0.0.1", "192.168.1.7"):
        client = ask(address, secret)
        assert client.get("/api/for/chat").json() == client.get("/api/for/history").json() == "ann"
        for right in ("jobs", "metrics"):
            refused = client.get(f"/api/for/{right}")
            assert refused.status_code == 403 and f"used for {right}" in refused.json()["error"]["message"]


def test_with_a_key_made_this_machine_needs_one_too(ask, services: Services) -> None:
    _, secret = services.keys.make("one")
    for headers in ({}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Bearer x"}):
        refused = ask().get("/api/for/chat", headers=headers)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["error"]["type"] == "authentication_error"
    for scheme in ("Basic", "Token", ""):
        refused = ask().get("/api/for/chat", headers={"authorization": f"{scheme} {secret}"})
        assert refused.status_code == 401 and secret not in refused.text
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert ask().get("/api/for/chat", headers={"authorization": f"{scheme} {secret}"}).status_code == 200


def test_a_key_in_the_address_opens_nothing(ask, services: Services) -> None:
    _, secret = services.keys.make("one")
    assert ask().get("/api/for/chat", params={"key": secret, "api_key": secret}).status_code == 401


def test_a_key_revoked_elsewhere_ends_with_the_next_request(ask, services: Services) -> None:
    made, secret = services.keys.make("one")
    client = ask(secret=secret)
    assert client.get("/api/for/chat").status_code == 200
    services.keys.revoke(made.id)
    assert client.get("/api/for/chat").status_code == 401
    assert ask().get("/api/for/chat").status_code == 401  # and does not open for this machine again


def test_too_many_requests_are_told_when_to_come_back(ask, services: Services) -> None:
    _, secret = services.keys.make("one", requests_per_minute=2)
    client = ask(secret=secret)
    answers = [client.get("/api/for/chat") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 31


def test_the_body_of_somebody_unknown_is_not_read(services: Services) -> None:
    services.keys.make("one")
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "state": {}}
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        raise AssertionError("nobody asked for the body")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    asyncio.run(CallersFirst(build_api(lambda: services), lambda: services)(scope, receive, send))
    assert sent[0]["status"] == 401


def test_an_address_with_a_slash_too_many_leads_nowhere(ask, services: Services) -> None:
    _, secret = services.keys.make("one", rights=set(Right))
    for path in ("/metrics/", "/api/conversations/", "/api/jobs/"):
        reply = ask(secret=secret).get(path, follow_redirects=False)
        assert reply.status_code == 404 and "location" not in reply.headers


def test_a_method_that_there_is_not_is_told_all_that_there_are(ask, services: Services) -> None:
    _, secret = services.keys.make("one", rights=set(Right))
    for path, methods in (("/api/jobs", "GET, POST"), ("/api/jobs/x", "DELETE, GET"), ("/metrics", "GET")):
        reply = ask(secret=secret).put(path)
        assert reply.status_code == 405 and reply.headers["allow"] == methods


def test_odd_bytes_in_the_header_are_a_wrong_key(ask, services: Services) -> None:
    services.keys.make("one")
    for odd in (b"Bearer \xff\xfe", b"Bearer " + b"x" * 20_000, "Bearer ключ".encode()):
        assert ask().get("/api/for/chat", headers={"authorization": odd}).status_code == 401
