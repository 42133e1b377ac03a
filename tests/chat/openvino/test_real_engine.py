"""The engine with the embedded model: right answers whoever else asks, and no answer mixed with another."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

from glmcore.chat.openvino.engine import OpenVinoEngine, device_properties
from glmcore.core.errors import ConfigError, EngineError
from glmcore.core.messages import Message, StopReason
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models import find_model
from glmcore.models.openvino import prepare
from glmcore.models.progress import ignore_progress
from tests.chat.conftest import answer, greedy, request_for, wait_until

pytestmark = pytest.mark.slow

QUESTIONS = [
    f"Tell me about {word} and why it matters." for word in ["rivers", "stones", "clouds", "music", "gardens"]
]


@pytest.fixture(scope="module")
def settings(embedded_home):
    return Settings(home=embedded_home)


@pytest.fixture(scope="module")
def model(settings):
    return prepare(find_model(EMBEDDED_MODEL, settings), settings, ignore_progress)


@pytest.fixture(scope="module")
def engine(model, settings):
    engine = OpenVinoEngine(model, settings)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def exact(model, settings):
    engine = OpenVinoEngine(model, replace(settings, exact_batches=True))
    yield engine
    engine.close()


def answer_together(engine, questions, **changes):
    found = [""] * len(questions)

    def read(at):
        found[at] = answer(engine, questions[at], **changes)

    threads = [threading.Thread(target=read, args=(at,)) for at in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def worker_of(engine):
    return psutil.Process(engine._loop._loop._process.pid)


@pytest.fixture(scope="module")
def plainly(model, settings):
    """Call it with a question: the text of OpenVINO GenAI's own pipeline, decoded at once."""
    import numpy as np
    import openvino as ov
    import openvino_genai as genai

    pipeline = genai.LLMPipeline(str(model.folder), "CPU", **device_properties(settings))
    config = genai.GenerationConfig()
    config.max_new_tokens, config.stop_token_ids = 48, set(model.eos_token_ids)
    config.eos_token_id = model.eos_token_ids[0]

    def plainly(question):
        ids = np.array([model.text.prompt_ids([Message("user", question)])], dtype=np.int64)
        [made] = pipeline.generate(ov.Tensor(ids), config).tokens
        return model.text.decode([token for token in made if token not in model.eos_token_ids])

    return plainly


def test_greedy_text_is_that_of_the_plain_pipeline(engine, plainly):
    for question in QUESTIONS:
        assert answer(engine, question, max_new_tokens=48) == plainly(question)


def test_together_is_one_by_one_where_batches_are_exact(exact):
    alone = [answer(exact, question, max_new_tokens=48) for question in QUESTIONS]
    assert answer_together(exact, QUESTIONS, max_new_tokens=48) == alone


def test_a_seed_gives_the_same_again_in_any_company(exact):
    asked = {"temperature": 0.9, "top_p": 0.95, "seed": 7, "max_new_tokens": 32}
    alone = [answer(exact, question, **asked) for question in QUESTIONS]
    assert answer_together(exact, QUESTIONS, **asked) == alone
    assert answer(exact, QUESTIONS[0], **{**asked, "seed": 8}) != alone[0]


def test_without_a_seed_answers_differ(engine):
    assert len(set(answer_together(engine, QUESTIONS[:1] * 4, temperature=1.0, max_new_tokens=24))) > 1


def test_nothing_is_mixed_under_random_arrival_and_cancel(exact):
    draw = random.Random(11)
    asked = [f"{question} {' '.join(['Please'] * draw.choice([1, 9, 60]))}" for question in QUESTIONS * 4]
    alone = [answer(exact, question, max_new_tokens=16) for question in asked]
    places = threading.Semaphore(24)
    wrong, cancelled = [], []

    def read(at, cancel_after):
        with places:
            stream = exact.submit(request_for(asked[at], params=greedy(max_new_tokens=16)))
            text = ""
            for number, piece in enumerate(stream):
                text += piece
                if number == cancel_after:
                    stream.cancel()
            is_cancelled = stream.stop_reason is StopReason.CANCELLED
            cancelled.extend([at] * is_cancelled)
            if not (alone[at].startswith(text) if is_cancelled else alone[at] == text):
                wrong.append((alone[at], text))

    threads = []
    for _ in range(1000):
        at, cancel_after = draw.randrange(len(asked)), draw.choice([None, None, 0, 2, 5])
        threads.append(threading.Thread(target=read, args=(at, cancel_after)))
    for thread in threads:
        thread.start()
        time.sleep(draw.random() * 0.01)
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cancelled) > 300
    assert exact.num_running() == 0


def test_a_character_of_several_tokens_is_never_split(engine, plainly):
    texts = [plainly(f"Repeat exactly: {letters * 6}") for letters in ("🎉🐉", "中文字", "ça été", "ไทย")]
    assert any(ord(letter) > 0xFFFF for text in texts for letter in text)
    for text, letters in zip(texts, ("🎉🐉", "中文字", "ça été", "ไทย"), strict=True):
        request = request_for(f"Repeat exactly: {letters * 6}", params=greedy(max_new_tokens=48))
        pieces = list(engine.submit(request))
        assert "".join(pieces) == text
        assert sum("\ufffd" in piece for piece in pieces) <= text.count("\ufffd")


def test_stop_strings_length_and_penalty_are_obeyed(engine):
    plain = answer(engine, QUESTIONS[0], max_new_tokens=40)
    word = plain.split()[5]
    assert answer(engine, QUESTIONS[0], max_new_tokens=40, stop=(word,)) == plain[: plain.index(word)]
    stream = engine.submit(request_for(QUESTIONS[0], params=greedy(max_new_tokens=7)))
    assert plain.startswith("".join(stream))
    assert (stream.stop_reason, stream.usage.completion_tokens) == (StopReason.LENGTH, 7)
    assert answer(engine, QUESTIONS[0], max_new_tokens=40, repetition_penalty=1.5) != plain


def test_a_model_without_an_end_answers_as_long_as_it_may(model, settings):
    endless = OpenVinoEngine(replace(model, eos_token_ids=()), settings)
    stream = endless.submit(request_for("Say hi.", params=greedy(max_new_tokens=90)))
    assert "".join(stream)
    assert (stream.stop_reason, stream.usage.completion_tokens) == (StopReason.LENGTH, 90)
    endless.close()


def test_logprobs_are_refused_by_name(engine):
    with pytest.raises(ConfigError) as refused:
        engine.submit(replace(request_for("hello"), logprobs=1))
    assert refused.value.values["param"] == "logprobs"


def test_more_than_the_cache_holds_is_answered_all_the_same(model, settings):
    small = OpenVinoEngine(model, replace(settings, exact_batches=True, kv_cache_gib=0.1))
    assert small.window < 2500
    draw = random.Random(5)
    words = " ".join(QUESTIONS).split()
    asked = [f"{' '.join(draw.choices(words, k=450))}. {question}" for question in QUESTIONS]
    assert sum(small.count_tokens([Message("user", text)]) for text in asked) > small.window
    alone = [answer(small, text, max_new_tokens=24) for text in asked]
    assert any(alone)
    assert answer_together(small, asked, max_new_tokens=24) == alone
    for _ in range(40):  # cancelled ones give their room back
        stream = small.submit(request_for(asked[0], params=greedy()))
        next(iter(stream))
        stream.cancel()
    assert answer_together(small, asked, max_new_tokens=24) == alone
    small.close()


def test_a_killed_process_ends_its_requests_and_another_one_answers(engine, caplog):
    expected = answer(engine, QUESTIONS[0])
    stream = engine.submit(request_for(QUESTIONS[0], params=greedy(max_new_tokens=300)))
    pieces = iter(stream)
    assert next(pieces)
    worker_of(engine).kill()
    with pytest.raises(EngineError, match="SIGKILL"):
        list(pieces)
    assert wait_until(lambda: engine.trouble() is None, 30)
    assert answer(engine, QUESTIONS[0]) == expected


def test_closing_leaves_no_process_and_an_unloaded_engine_says_so(model, settings):
    short = OpenVinoEngine(model, settings)
    worker = worker_of(short)
    short.close()
    assert not worker.is_running()
    with pytest.raises(EngineError, match="was unloaded"):
        answer(short, "late")


ORPHAN = """
import sys, time
from pathlib import Path
from glmcore.chat.openvino.engine import OpenVinoEngine
from glmcore.core.settings import Settings
from glmcore.models import find_model
from glmcore.models.openvino import prepare
settings = Settings(home=Path(sys.argv[1]))
model = prepare(find_model(settings.model, settings), settings, lambda *stage: None)
engine = OpenVinoEngine(model, settings)
print(engine._loop._loop._process.pid, "torch" in sys.modules, flush=True)
time.sleep(60)
"""


def test_a_killed_server_leaves_no_process_behind_and_never_imported_torch(model, embedded_home):
    server = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(embedded_home)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    pid, has_torch = server.stdout.readline().split()
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    server.stdout.close()
    assert has_torch == "False"
    assert wait_until(lambda: not psutil.pid_exists(int(pid)), 10)
