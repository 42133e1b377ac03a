"""`serve`: what it refuses, what it says, and what it serves."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from glmcore.cli import main
from glmcore.cli import serve as serve_module
from glmcore.core.settings import Settings, load_settings
from glmcore.keys.store import open_keys
from glmcore.server.services import Services, open_services
from tests.api.conftest import local_client


@pytest.fixture(autouse=True)
def not_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the serving itself."""
    monkeypatch.setattr(serve_module, "serve_until_signal", lambda application, listener: None)
    monkeypatch.setattr("glmcore.api.measures.log_form.configure_logging", lambda settings: None)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def make_key() -> None:
    keys = open_keys(load_settings().resolved_database_url)
    keys.make("lab")
    keys.close()


def test_says_where_it_is_and_that_no_key_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0"]) == 0
    said = capsys.readouterr()
    assert "http://127.0.0.1:" in said.err and "/api/docs" in said.err and "without one" in said.err
    assert ":0/" not in said.err and not said.out


def test_says_that_a_key_is_needed_once_one_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    make_key()
    assert main(["serve", "--port", "0"]) == 0
    assert "Every request needs an API key." in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "some.example"])
def test_other_machines_are_not_let_in_without_a_key(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--host", host]) == 2
    assert "glmcore keys make" in capsys.readouterr().err


def test_other_machines_are_let_in_once_there_are_keys() -> None:
    make_key()
    assert main(["serve", "--port", "0", "--host", "0.0.0.0"]) == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3"])
def test_this_machine_needs_no_key(host: str) -> None:
    assert main(["serve", "--port", "0", "--host", host]) == 0


def test_taken_port_is_one_sentence(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", str(taken_port)]) == 2
    said = capsys.readouterr().err
    assert f"Port {taken_port} of 127.0.0.1 is taken" in said and said.count("\n") == 1


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", port]) == 2
    assert "port" in capsys.readouterr().err


def test_model_that_means_nothing_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--model", "./not-here"]) == 2
    assert "not-here" in capsys.readouterr().err


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Services]:
    shared = open_services(Settings(home=tmp_path / "home", preload=False))
    yield shared
    shared.close()


def test_health_docs_and_the_endpoint_at_the_root_are_served(shared: Services) -> None:
    client = local_client(serve_module.build_application(shared))
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/api/docs").status_code == 200
    assert client.post("/", json={}).status_code == 422
    assert client.get("/nothing").json()["error"]["type"] == "not_found_error"
