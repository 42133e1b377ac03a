"""Around the dashboard's life: what begins behind the open port, and the end."""

import asyncio
import logging

import pytest

from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.server.life import ServerLife
from glmcore.server.readiness import Readiness
from glmcore.ui import lifespan as lifespan_module
from glmcore.ui.services import services
from tests.api.conftest import local_client
from tests.ui.visits import Server, forget_services


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A life of its own for each test, which begins without a pause and leaves the log as it is."""
    monkeypatch.setattr(lifespan_module, "BEGIN_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(lifespan_module, "life", ServerLife(services))
    monkeypatch.setattr(lifespan_module, "configure_logging", lambda settings: None)


def live(seconds: float) -> None:
    """Start the server's life, wait, end it."""

    async def run() -> None:
        async with lifespan_module.lifespan(None):
            await asyncio.sleep(seconds)

    asyncio.run(run())


def readiness() -> Readiness:
    return lifespan_module.life.readiness()


def test_nothing_is_ready_before_a_model_is_asked_for(server: Server) -> None:
    assert readiness() == Readiness(reason="no model has been asked for")


def test_fault_of_the_settings_is_the_reason(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMCORE_DEVICE", "toaster")
    forget_services()
    assert readiness().models == () and "toaster" in readiness().reason
    monkeypatch.delenv("GLMCORE_DEVICE")


def test_model_is_loaded_behind_the_open_port_and_closed_at_the_end(server: Server) -> None:
    live(0.5)
    assert server.engine.is_closed
    assert server.services.models.loaded_names() == []


def test_preloading_can_be_switched_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMCORE_PRELOAD", "no")
    forget_services()
    live(0.2)
    assert not server.engine.is_closed  # it was never built
    assert server.services.models.state(EMBEDDED_MODEL) is None


def test_log_is_written_as_the_settings_say(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMCORE_LOG_FORMAT", "json")
    forget_services()
    seen: list[str] = []
    monkeypatch.setattr(lifespan_module, "configure_logging", lambda it: seen.append(it.log_format))
    live(0.0)
    assert seen == ["json"]


def test_server_lives_and_ends_with_wrong_settings(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GLMCORE_DEVICE", "toaster")
    forget_services()
    with caplog.at_level(logging.ERROR, "glmcore"):
        live(0.2)
    assert "toaster" in caplog.text
    monkeypatch.delenv("GLMCORE_DEVICE")


def test_api_works_with_the_services_of_the_pages(server: Server) -> None:
    api = lifespan_module.build_dashboard_api()
    reply = local_client(api).post("/api/chat", json={"prompt": "Why?"})
    assert reply.json()["response"] == "An answer." and len(server.requests) == 1
