"""Around the server's life: preloading, readiness, and the end."""

import asyncio

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import ConversationFilter
from glmcore.history.schema import conversations
from glmcore.ui import lifespan as lifespan_module
from glmcore.ui.lifespan import lifespan, readiness
from tests.ui.visits import OWNER, Server, forget_services


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan_module, "PRELOAD_AFTER_SECONDS", 0.0)


def live(seconds: float) -> None:
    """Start the server's life, wait, end it."""

    async def run() -> None:
        async with lifespan(None):
            await asyncio.sleep(seconds)

    asyncio.run(run())


def fail(*arguments: object) -> None:
    raise ModelLoadError("{name} is broken.", name="It")


def test_nothing_is_ready_before_a_model_is_asked_for(server: Server) -> None:
    assert readiness() == ([], "no model has been asked for")


def test_loaded_model_is_ready(server: Server) -> None:
    server.load_model()
    assert readiness()[0] == [EMBEDDED_MODEL]


def test_fault_of_the_model_is_the_reason(server: Server) -> None:
    server.build = fail
    with pytest.raises(ModelLoadError):
        server.load_model()
    assert readiness() == ([], "It is broken.")


def test_fault_of_the_settings_is_the_reason(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMCORE_DEVICE", "toaster")
    forget_services()
    models, reason = readiness()
    assert models == [] and "toaster" in reason
    monkeypatch.delenv("GLMCORE_DEVICE")


def test_model_is_loaded_behind_the_open_port_and_closed_at_the_end(server: Server) -> None:
    live(0.5)
    assert server.engine.is_closed
    assert server.services.models.loaded_names() == []


def test_deleted_conversations_are_forgotten_while_the_server_lives(server: Server) -> None:
    history = server.services.history
    gone, kept = server.add_conversation("Why?"), server.add_conversation("And why not?")
    history.conversations.delete(OWNER, gone.id)
    with history.database.writing() as connection:
        connection.execute(conversations.update().where(conversations.c.id == gone.id).values(deleted_at=0.0))
    live(0.2)
    forget_services()
    found = server.services.history.conversations
    assert found.get(OWNER, kept.id) and not found.count(OWNER, ConversationFilter(shelf="deleted"))


def test_preloading_can_be_switched_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMCORE_PRELOAD", "no")
    forget_services()
    live(0.2)
    assert not server.engine.is_closed  # it was never built
    assert server.services.models.state(EMBEDDED_MODEL) is None


def test_server_lives_and_ends_with_wrong_settings(server: Server, monkeypatch, caplog) -> None:
    monkeypatch.setenv("GLMCORE_DEVICE", "toaster")
    forget_services()
    live(0.2)
    assert "toaster" in caplog.text
    monkeypatch.delenv("GLMCORE_DEVICE")
