"""The parts that all sessions share: made once, tried again after a fault, given back at the end."""

import threading
from pathlib import Path

import pytest

from glmcore.core.errors import ConfigError, StorageError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import servers
from glmcore.ui import services as services_module
from glmcore.ui.asking import AnswerOptions, answer, store_question
from tests.fakes import FakeEngine
from tests.ui.visits import OWNER, Server, Visit, forget_services


def test_every_session_gets_the_same_services(server: Server) -> None:
    assert services_module.services() is services_module.services()
    assert services_module.services().settings is services_module.settings()


def test_answers_of_a_server_that_is_gone_are_interrupted(server: Server, monkeypatch) -> None:
    conversation = server.add_conversation("Why?")
    history = server.services.history
    parent = history.messages.path(OWNER, conversation.id)[0].message.id
    monkeypatch.setattr(servers, "this_server", lambda: "gone-host:1:1")
    stored = history.messages.start_answer(OWNER, conversation.id, parent)
    history.messages.save_text(OWNER, stored.id, "Half")
    monkeypatch.setattr(servers, "is_gone", lambda server_id, seconds: True)
    history.close()
    forget_services()
    interrupted = services_module.services().history.messages.get(OWNER, stored.id)
    assert (interrupted.state, interrupted.content) == ("interrupted", "Half")


def test_closing_stops_and_stores_what_runs(server: Server) -> None:
    gate = threading.Semaphore(1)
    server.engine = FakeEngine(["one two three"], gate=gate)
    start_an_answer(server)
    server.services.close()
    forget_services()
    kept = server.path()[-1]
    assert kept.facts is not None and kept.facts.stop_reason == StopReason.INTERRUPTED
    assert server.engine.is_closed


def start_an_answer(server: Server) -> None:
    options = AnswerOptions(EMBEDDED_MODEL, GenerationParams(), "")
    conversation, stored = store_question(server.services, OWNER, None, "Why?", options)
    answer(server.services, stored, conversation, options)
    server.load_model()


def test_wrong_setting_is_an_error_each_time_until_it_is_right(server: Server, monkeypatch) -> None:
    monkeypatch.setenv("GLMCORE_MAX_RUNNING_ANSWERS", "many")
    forget_services()
    for _ in range(2):
        with pytest.raises(ConfigError, match="GLMCORE_MAX_RUNNING_ANSWERS"):
            services_module.services()
    monkeypatch.delenv("GLMCORE_MAX_RUNNING_ANSWERS")
    assert services_module.services().settings.max_running_answers == 64


def test_database_that_cannot_be_opened_is_said_on_the_page_which_tries_again(
    server: Server, monkeypatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    monkeypatch.setenv("GLMCORE_DATABASE_URL", f"sqlite:///{tmp_path / 'broken.db'}")
    forget_services()
    with pytest.raises(StorageError):
        services_module.services()
    visit = Visit(server, page="overview")
    assert len(visit.at.error) == 1 and "damaged" in visit.at.error[0].value
    (tmp_path / "broken.db").unlink()
    visit.at.run()
    assert not visit.at.error and "Models" in visit.shown()
