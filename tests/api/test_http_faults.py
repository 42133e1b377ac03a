"""What clients and engines do to a server, with a real model and real connections."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from glmcore.chat.transformers_engine import TransformersEngine
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.server.readiness import readiness
from tests.api.real_api import Reader, RealApi, in_threads, real_api

pytestmark = pytest.mark.slow

NUM_STREAMS, NUM_QUESTIONS, NEW_TOKENS = 64, 8, 12


@pytest.fixture(scope="module")
def api(embedded_home: Path) -> Iterator[RealApi]:
    with real_api(embedded_home) as served:
        yield served


def question(number: int) -> str:
    return f"Tell me a story, number {number}, about a river."


def ask_alone(api: RealApi, text: str, new_tokens: int = NEW_TOKENS) -> Reader:
    reader = Reader()
    reader.read(api, text, max_tokens=new_tokens)
    return reader


def test_of_64_streams_those_that_stay_are_right_when_a_third_vanishes(api: RealApi) -> None:
    expected = [ask_alone(api, question(number)).text for number in range(NUM_QUESTIONS)]
    readers = [Reader() for _ in range(NUM_STREAMS)]

    def ask_together() -> None:
        calls = [
            partial(
                reader.read,
                api,
                question(at % NUM_QUESTIONS),
                max_tokens=NEW_TOKENS,
                vanish_after=1 + at % 5 if at % 3 == 0 else None,
            )
            for at, reader in enumerate(readers)
        ]
        for thread in in_threads(*calls):
            thread.join()
        api.wait_until_idle()

    ask_together()
    stayed = [(at, reader) for at, reader in enumerate(readers) if at % 3]
    assert [reader.text for _, reader in stayed] == [expected[at % NUM_QUESTIONS] for at, _ in stayed]
    assert {reader.finish for _, reader in stayed} <= {"stop", "length"}

    process = psutil.Process()
    before = process.memory_info().rss
    readers = [Reader() for _ in range(NUM_STREAMS)]
    ask_together()
    assert process.memory_info().rss - before < 64 * 2**20
    making = [thread for thread in threading.enumerate() if thread.name.startswith("answer-")]
    for thread in making:
        thread.join(10)
    assert not any(thread.is_alive() for thread in making)


def test_slow_readers_do_not_slow_the_others(api: RealApi) -> None:
    expected = ask_alone(api, question(0), 24)
    alone = expected.pieces[-1] - expected.pieces[0]
    slow = [Reader() for _ in range(8)]
    threads = in_threads(*(partial(one.read, api, question(0), max_tokens=24, pause=0.4) for one in slow))
    while not all(one.pieces for one in slow):
        time.sleep(0.01)
    api.wait_until_idle()  # their answers are made although they read on
    quick = ask_alone(api, question(0), 24)
    still_reading = any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert still_reading, "the slow ones must read while the quick one asks"
    assert quick.text == expected.text and all(one.text == expected.text for one in slow)
    assert quick.pieces[-1] - quick.pieces[0] < 2 * alone + 0.5


def test_requests_end_with_an_error_when_the_engine_dies_and_later_ones_work(
    api: RealApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask_alone(api, question(1))
    engine = api.services.models.ready_engine(EMBEDDED_MODEL)
    assert isinstance(engine, TransformersEngine)
    readers = [Reader() for _ in range(4)]
    threads = in_threads(*(partial(one.read, api, question(1), max_tokens=400) for one in readers))
    while not all(one.pieces for one in readers):
        pass
    with monkeypatch.context() as broken:
        kill_engine(engine, broken)
        for thread in threads:
            thread.join()
        assert all(one.error is not None and one.finish is None for one in readers)
        assert "killed for a test" in readiness(api.services).reason
    after = ask_alone(api, question(1))
    assert after.text == before.text
    deadline = time.monotonic() + 30
    while readiness(api.services).models != (EMBEDDED_MODEL,):
        assert time.monotonic() < deadline, readiness(api.services).reason
        time.sleep(0.05)


def kill_engine(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next steps of the model fail, which is the end of the thread that computes them."""

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("killed for a test")

    monkeypatch.setattr(type(engine.loaded.model), "forward", fail)
