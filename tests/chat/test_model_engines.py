"""A model and its adapters answer side by side; a broken adapter is said to who asked for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from glmcore.chat.model_engines import MOST_ADAPTERS, ModelEngines
from glmcore.chat.model_host import ModelHost
from glmcore.core.errors import EngineError, ModelLoadError, NotFoundError
from glmcore.core.settings import Settings
from tests.chat.conftest import CACHE_GIB, answer, request_for, wait_until
from tests.fakes import FakeEngine


class Engine(FakeEngine):
    busy = 0

    def num_running(self):
        return self.busy


class Builder:
    """Builds engines of adapters, noting each; `gate` holds the building up."""

    def __init__(self):
        self.built, self.error = [], None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, base, adapter, settings):
        self.built.append(adapter)
        assert self.gate.wait(5)
        if self.error is not None:
            raise self.error
        return Engine([adapter])


@pytest.fixture
def builder():
    return Builder()


@pytest.fixture
def engines(builder):
    return ModelEngines(Engine(["base"]), builder, Settings())


def test_an_adapter_is_attached_once_when_it_is_first_asked_for(engines, builder):
    assert engines.engine() is engines.base
    assert builder.built == []
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: engines.engine("a"), range(8)))
    assert len(set(found)) == 1
    assert builder.built == ["a"]
    assert engines.engine("b") is not found[0]
    assert engines.engine() is engines.base


def test_the_longest_unused_idle_adapter_goes_first(engines, builder):
    first, *others = [engines.engine(str(number)) for number in range(MOST_ADAPTERS)]
    engines.engine("0")  # asked for again
    others[0].busy = 1
    engines.engine("one more")
    assert [engine.is_closed for engine in (first, *others)] == [False, False, True, False]
    assert engines.engine("2") is not others[1]
    assert len(builder.built) == MOST_ADAPTERS + 2


def test_busy_adapters_are_never_closed_and_too_many_go_later(engines):
    busy = [engines.engine(str(number)) for number in range(MOST_ADAPTERS + 1)]
    assert busy.pop(0).is_closed
    for engine in busy:
        engine.busy = 1
    extra = engines.engine("extra")
    assert not any(engine.is_closed for engine in busy)
    busy[0].busy = busy[1].busy = 0
    engines.engine("last")
    assert busy[0].is_closed and busy[1].is_closed
    assert not extra.is_closed


def test_a_broken_adapter_is_said_each_time_and_hurts_nobody(engines, builder, caplog):
    good = engines.engine("good")
    builder.error = ModelLoadError("{path} is broken.", path="x")
    for _ in range(2):
        with pytest.raises(ModelLoadError, match="x is broken"):
            engines.engine("bad")
    builder.error = ZeroDivisionError("by zero")
    with pytest.raises(EngineError, match=r"bad could not be loaded \(by zero\)"):
        engines.engine("bad")
    assert "attaching bad failed" in caplog.text
    assert engines.engine("good") is good
    assert not engines.base.is_closed
    builder.error = None
    assert engines.engine("bad")


def test_requests_of_adapters_count_and_so_does_one_being_attached(engines, builder):
    assert engines.num_running() == 0
    engines.engine("a").busy = 2
    engines.base.busy = 1
    assert engines.num_running() == 3
    builder.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(engines.engine, "b")
        assert wait_until(lambda: engines.num_running() == 4)
        assert engines.engine("a").busy == 2, "one that is there does not wait for another"
        builder.gate.set()
        assert coming.result(5)
    assert engines.num_running() == 3


def test_closing_ends_all_also_one_that_is_being_attached(engines, builder):
    there = engines.engine("a")
    builder.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(engines.engine, "b")
        assert wait_until(lambda: "b" in builder.built)
        engines.close()
        builder.gate.set()
        with pytest.raises(EngineError, match="b was unloaded while"):
            coming.result(5)
    assert there.is_closed
    assert engines.base.is_closed


# In the host of all models, and for real.


def test_the_host_gives_out_adapters_and_closes_them_with_their_model(tmp_path, builder):
    (tmp_path / "config.json").write_text("{}")
    base = Engine()
    host = ModelHost(Settings(home=tmp_path / "home"), lambda *_: base, builder)
    adapted = host.engine(str(tmp_path), adapter="a")
    assert host.engine(str(tmp_path)) is host.ready_engine(str(tmp_path)) is base
    assert adapted is host.engine(str(tmp_path), None, "a")
    builder.error = NotFoundError("There is no {name}.", name="b")
    with pytest.raises(NotFoundError, match="no b"):
        host.engine(str(tmp_path), adapter="b")
    assert host.state(str(tmp_path)).is_ready
    adapted.busy = 1
    assert host._longest_idle() is None
    host.unload(str(tmp_path))
    assert adapted.is_closed and base.is_closed


@pytest.fixture(scope="module")
def lora(loaded, tmp_path_factory):
    """A folder with a LoRA that changes every answer."""
    from peft import LoraConfig, get_peft_model

    from tests.models.tiny_model import build_model

    folder = tmp_path_factory.mktemp("adapters") / "lora"
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(build_model(), config).save_pretrained(folder)
    return folder


def test_base_and_adapter_answer_at_the_same_time_as_each_does_alone(loaded, lora, tmp_path):
    settings = Settings(home=tmp_path, allow_hub=False, kv_cache_gib=CACHE_GIB, device="cpu")
    host = ModelHost(settings)
    name, adapter = str(loaded.path), str(lora)
    questions = ["hello", "why?", "count to ten"]
    alone = [answer(host.engine(name), question) for question in questions]
    adapted = [answer(host.engine(name, adapter=adapter), question) for question in questions]
    assert adapted != alone

    def ask(case):
        request = replace(request_for(case[0]), adapter=case[1])
        return "".join(host.engine(name, adapter=request.adapter).submit(request))

    cases = [(question, chosen) for question in questions for chosen in (None, adapter)] * 2
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(ask, cases))
    assert together == [text for pair in zip(alone, adapted, strict=True) for text in pair] * 2
    with pytest.raises(NotFoundError, match="no adapter 'gone'"):
        host.engine(name, adapter="gone")
    assert answer(host.engine(name), "hello") == alone[0]
    host.close()
