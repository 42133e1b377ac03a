"""The life of a server process, and how a signal ends it."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from glmcore.chat import model_host
from glmcore.chat.running_answer import RunningAnswer, Unstored
from glmcore.core.errors import ConfigError, EngineError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.history import ConversationFilter
from glmcore.history.schema import conversations
from glmcore.server.life import ServerLife
from glmcore.server.services import Services, open_services
from glmcore.server.signals import SIGNALS, ending_on_signals
from tests.fakes import FakeEngine

OWNER = "local"


@pytest.fixture
def gate() -> threading.Semaphore:
    """Each piece of an answer waits for a release."""
    return threading.Semaphore(0)


@pytest.fixture
def engine(gate: threading.Semaphore, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine = FakeEngine(["one two"], gate=gate)
    monkeypatch.setattr(model_host, "build_engine", lambda entry, settings, progress: engine)
    return engine


@pytest.fixture
def shared(engine: FakeEngine, tmp_path: Path) -> Iterator[Services]:
    shared = open_services(Settings(home=tmp_path / "home", drain_seconds=5.0))
    yield shared
    shared.close()


def ask(shared: Services) -> RunningAnswer:
    request = ChatRequest(
        messages=(Message("user", "Say something."),), params=GenerationParams(), model=EMBEDDED_MODEL
    )
    answer = shared.answers.start("answer", request, Unstored())
    wait_for(lambda: answer.snapshot().is_reading_prompt)
    return answer


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.002)


def reason_of(answer: RunningAnswer) -> StopReason:
    facts = answer.snapshot().facts
    assert facts is not None
    return facts.stop_reason


def refuse() -> Services:
    raise ConfigError("The settings are wrong.")


# Beginning.


def test_first_model_is_loaded_and_what_was_deleted_long_ago_is_forgotten(shared: Services) -> None:
    history = shared.history
    gone = history.conversations.create(OWNER, model=EMBEDDED_MODEL)
    history.conversations.delete(OWNER, gone.id)
    with history.database.writing() as connection:
        connection.execute(conversations.update().values(deleted_at=0.0))
    life = ServerLife(lambda: shared)
    life.begin()
    wait_for(lambda: life.readiness().models == (EMBEDDED_MODEL,))
    wait_for(lambda: not history.conversations.count(OWNER, ConversationFilter(shelf="deleted")))
    life.close()
    assert not shared.models.loaded_names()


def test_first_model_waits_for_a_question_where_it_is_to(shared: Services) -> None:
    life = ServerLife(lambda: replace(shared, settings=replace(shared.settings, preload=False)))
    life.begin()
    assert shared.models.state(EMBEDDED_MODEL) is None
    life.close()


def test_nothing_begins_after_the_end(shared: Services) -> None:
    life = ServerLife(lambda: shared)
    life.close()
    life.begin()
    assert shared.models.state(EMBEDDED_MODEL) is None


def test_server_with_wrong_settings_lives_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    life = ServerLife(refuse)
    life.begin()
    assert life.readiness().reason == "The settings are wrong."
    life.drain()
    life.close()
    assert "The settings are wrong." in caplog.text


# The end.


def test_running_answer_finishes_while_the_server_drains(shared: Services, gate: threading.Semaphore) -> None:
    life, answer = ServerLife(lambda: shared), ask(shared)
    draining = threading.Thread(target=life.drain)
    draining.start()
    wait_for(lambda: "about to end" in life.readiness().reason)
    assert life.is_ending() and not answer.is_done
    gate.release(2)
    draining.join()
    assert answer.snapshot().text == "one two" and reason_of(answer) is StopReason.END


def test_answer_that_takes_too_long_is_interrupted(shared: Services, gate: threading.Semaphore) -> None:
    answer = ask(shared)
    gate.release()
    wait_for(lambda: answer.snapshot().text)
    ServerLife(lambda: replace(shared, settings=replace(shared.settings, drain_seconds=0.0))).drain()
    assert answer.snapshot().text == "one" and reason_of(answer) is StopReason.INTERRUPTED


def test_nothing_new_begins_while_the_server_drains(shared: Services) -> None:
    ServerLife(lambda: shared).drain()
    with pytest.raises(EngineError, match="about to end"):
        ask(shared)


# Signals.


class FakeUvicorn:
    """What `ending_on_signals` uses of uvicorn's server."""

    def __init__(self) -> None:
        self.should_exit = False
        self.config = SimpleNamespace(timeout_graceful_shutdown=None)

    def handle_exit(self, number: int, frame: object) -> None:
        raise AssertionError("uvicorn must not see the signal")


@pytest.fixture
def server() -> Iterator[FakeUvicorn]:
    server = FakeUvicorn()
    before = {number: signal.signal(number, server.handle_exit) for number in SIGNALS}
    yield server
    for number, handler in before.items():
        signal.signal(number, handler)


def end_by(number: signal.Signals, server: FakeUvicorn, drain: Callable[[], None]) -> None:
    async def run() -> None:
        with ending_on_signals(drain):
            signal.raise_signal(number)
            async with asyncio.timeout(5):
                while not server.should_exit:
                    await asyncio.sleep(0.002)

    asyncio.run(run())


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_drains_the_server_before_it_ends(number: signal.Signals, server: FakeUvicorn) -> None:
    seen: list[bool] = []
    end_by(number, server, lambda: seen.append(server.should_exit))
    assert seen == [False] and server.should_exit
    assert server.config.timeout_graceful_shutdown  # who does not read on is not waited for


def test_server_ends_although_draining_failed(server: FakeUvicorn, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    end_by(signal.SIGTERM, server, fail)
    assert server.should_exit and "the disk is gone" in caplog.text


def test_signals_are_left_alone_where_no_uvicorn_waits_for_them() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def run() -> None:
        with ending_on_signals(lambda: None):
            assert signal.getsignal(signal.SIGTERM) is before

    asyncio.run(run())
