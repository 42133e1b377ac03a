"""Models are loaded once for all, unloaded when asked or for room, and failures are said and tried again."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glmcore.chat.local_engines import build_transformers_engine
from glmcore.chat.model_host import ModelHost
from glmcore.chat.transformers_engine import TransformersEngine
from glmcore.core.errors import EngineError, ModelLoadError, NotEnoughMemoryError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.models.places.devices import GIB
from glmcore.models.places.holders import hold, holders
from tests.chat.conftest import request_for, wait_until
from tests.fakes import FakeEngine


class Engine(FakeEngine):
    busy = 0

    def __init__(self):
        super().__init__()
        self.held_bytes = {"cpu": 2 * GIB}

    def num_running(self):
        return self.busy


class Builder:
    """Builds engines; `room` of them fit into memory, and `gate` holds a load up."""

    def __init__(self, room=9):
        self.room, self.engines, self.built = room, [], []
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, entry, settings, progress):
        progress("Loading the weights", 0.5)
        assert self.gate.wait(5)
        self.built.append(entry.name)
        if self.error is not None:
            raise self.error
        if sum(not engine.is_closed for engine in self.engines) >= self.room:
            raise NotEnoughMemoryError("No room for {name}.", name=entry.name)
        self.engines.append(Engine())
        return self.engines[-1]


@pytest.fixture
def builder():
    return Builder()


@pytest.fixture
def names(tmp_path):
    """Three model folders."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.mkdir()
        (path / "config.json").write_text("{}")
    return [str(path) for path in paths]


@pytest.fixture
def host(builder, tmp_path):
    host = ModelHost(Settings(home=tmp_path / "home", allow_hub=False), builder)
    yield host
    host.close()


def in_ten_threads(ask):
    """What ten threads get that ask at the same time, an error as such."""

    def result(_):
        try:
            return ask()
        except Exception as error:
            return error

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(result, range(10)))


def test_ten_who_ask_at_once_share_one_load(host, builder, names):
    builder.gate.clear()
    assert host.state(names[0]) is None
    threading.Timer(0.1, builder.gate.set).start()
    engines = in_ten_threads(lambda: host.engine(names[0]))
    assert set(engines) == {builder.engines[0]}
    assert len(builder.built) == 1
    assert host.state(names[0]).is_ready
    assert host.ready_engine(names[0]) is builder.engines[0]
    assert host.loaded_names() == [names[0]]


def test_loading_is_visible_and_asking_never_waits(host, builder, names):
    builder.gate.clear()
    host.start_loading(names[0])
    host.start_loading(names[0])
    assert wait_until(lambda: host.state(names[0]).stage == "Loading the weights")
    assert host.state(names[0]).fraction == 0.5
    assert host.ready_engine(names[0]) is None
    assert host.loaded_names() == []
    builder.gate.set()
    assert wait_until(lambda: host.state(names[0]).is_ready)
    assert len(builder.built) == 1


def test_a_failed_load_is_said_to_all_who_wait_and_tried_again(host, builder, names):
    builder.error = ModelLoadError("{path} is broken.", path="x.safetensors")
    builder.gate.clear()
    threading.Timer(0.1, builder.gate.set).start()
    errors = in_ten_threads(lambda: host.engine(names[0]))
    assert {(type(error), str(error)) for error in errors} == {(ModelLoadError, "x.safetensors is broken.")}
    assert len({id(error) for error in errors}) == 10, "raising changes an error, so each gets one of its own"
    assert len(builder.built) == 1
    assert str(host.state(names[0]).error) == "x.safetensors is broken."
    assert host.state(names[0]).error.__traceback__ is None
    builder.error = None
    assert host.engine(names[0]) is builder.engines[0]
    assert host.state(names[0]).error is None


def test_an_unexpected_failure_is_a_sentence_too(host, builder, names, caplog):
    builder.error = ZeroDivisionError("by zero")
    with pytest.raises(EngineError, match=r"could not be loaded \(by zero\)"):
        host.engine(names[0])
    assert "loading" in caplog.text


def test_an_unknown_model_is_said(host):
    with pytest.raises((NotFoundError, ModelLoadError)):
        host.engine("no/such/folder")


def test_a_stopped_request_does_not_wait_for_the_load(host, builder, names):
    builder.gate.clear()
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(EngineError, match="Stopped while"):
        host.engine(names[0], cancelled)
    assert time.monotonic() - began < 2
    builder.gate.set()
    assert host.engine(names[0]) is builder.engines[0]


def test_unloading_closes_the_engine_and_loads_anew_when_asked(host, builder, names):
    engine = host.engine(names[0])
    host.unload(names[0])
    assert engine.is_closed
    assert host.state(names[0]) is None
    assert host.ready_engine(names[0]) is None
    assert host.engine(names[0]) is builder.engines[1]
    host.unload("never loaded")
    assert not builder.engines[1].is_closed


def test_who_waited_for_a_model_that_was_unloaded_is_told(host, builder, names):
    """The load ends, and before the one who waits has looked, the model is gone."""
    builder.gate.clear()
    host.start_loading(names[0])
    done = host._residents[names[0], "transformers"].done
    wait = done.wait

    def wait_and_unload(timeout):
        builder.gate.set()
        found = wait(5)
        host.unload(names[0])
        return found

    done.wait = wait_and_unload
    with pytest.raises(EngineError, match="was unloaded while it was waited for"):
        host.engine(names[0])
    assert builder.engines[0].is_closed


def test_the_longest_idle_model_makes_room_and_never_a_busy_one(host, builder, names):
    builder.room = 2
    first, second = host.engine(names[0]), host.engine(names[1])
    host.engine(names[0])  # used again, so the second one is idle for longer
    third = host.engine(names[2])
    assert (first.is_closed, second.is_closed, third.is_closed) == (False, True, False)
    first.busy = third.busy = 1
    with pytest.raises(NotEnoughMemoryError, match="No room"):
        host.engine(names[1])
    assert not first.is_closed
    assert not third.is_closed
    first.busy = 0
    assert host.engine(names[1]) is not second
    assert first.is_closed


def test_who_holds_the_memory_is_said_when_no_model_can_make_room(host, builder, names, tmp_path):
    home = tmp_path / "home"
    builder.room = 1
    host.engine(names[0]).busy = 1
    with pytest.raises(
        NotEnoughMemoryError, match=r"^No room for b\. The chat .* there: a \(2\.0 GiB\); unload"
    ):
        host.engine(names[1])
    with hold(home, name="demo", what="job", held={"cpu": GIB}):
        with pytest.raises(NotEnoughMemoryError, match=r"there: a .*; so do jobs: demo \(1\.0 GiB\)\."):
            host.engine(names[1])
        host.unload(names[0])
        builder.room = 0
        with pytest.raises(NotEnoughMemoryError, match=r"^No room for b\. Jobs hold memory there: demo"):
            host.engine(names[1])
    with pytest.raises(NotEnoughMemoryError, match=r"^No room for b\.$"):
        host.engine(names[1])
    assert host.state(names[1]).error.values["name"] == "b"


def test_a_model_is_known_as_a_holder_while_it_is_in_memory(host, builder, names, tmp_path):
    home = tmp_path / "home"
    builder.gate.clear()
    host.start_loading(names[0])
    assert holders(home, "auto") == []
    builder.gate.set()
    host.engine(names[0])
    host.engine(names[1])
    assert [(one.name, one.what, one.bytes) for one in holders(home, "cpu")] == [
        ("a", "chat", 2 * GIB),
        ("b", "chat", 2 * GIB),
    ]
    host.unload(names[0])
    assert [one.name for one in holders(home, "cpu")] == ["b"]
    host.close()
    assert list((home / "holders").iterdir()) == []


def test_two_models_are_loaded_one_after_the_other(host, builder, names):
    builder.gate.clear()
    host.start_loading(names[0])
    assert wait_until(lambda: host.state(names[0]).stage)
    host.start_loading(names[1])
    time.sleep(0.05)
    assert host.state(names[1]).stage == ""
    builder.gate.set()
    assert host.engine(names[1]) and host.engine(names[0])
    assert len(builder.built) == 2


def test_closing_unloads_everything(host, builder, names):
    for name in names:
        host.engine(name)
    host.close()
    assert all(engine.is_closed for engine in builder.engines)
    assert host.loaded_names() == []


def test_a_real_model_is_loaded_warmed_up_and_given_back(loaded, tmp_path):
    settings = Settings(home=tmp_path, allow_hub=False, kv_cache_gib=0.002, device="cpu")
    host = ModelHost(settings)
    engine = host.engine(str(loaded.path))
    assert (engine.model_name, engine.window) == ("tiny", loaded.window)
    assert engine.num_running() == 0
    (holder,) = holders(tmp_path, "cpu")
    weights, cache = loaded.held_bytes["cpu"], 0.002 * GIB
    assert weights >= loaded.weight_bytes > 0.9 * weights
    assert 0.9 * cache < holder.bytes - weights <= cache
    host.unload(str(loaded.path))
    assert holders(tmp_path, "cpu") == []
    with pytest.raises(EngineError, match="was unloaded"):
        engine.submit(request_for("hello"))


def test_an_engine_that_fails_to_warm_up_leaves_nothing_behind(loaded, tmp_path, monkeypatch):
    from glmcore.models import find_model

    def fail(engine, request):
        raise NotEnoughMemoryError("The cache does not fit.")

    monkeypatch.setattr(TransformersEngine, "submit", fail)
    settings = Settings(home=tmp_path, allow_hub=False, kv_cache_gib=0.002, device="cpu")
    before = threading.active_count()
    with pytest.raises(NotEnoughMemoryError, match="does not fit"):
        build_transformers_engine(find_model(str(loaded.path), settings), settings, lambda *_: None)
    assert wait_until(lambda: threading.active_count() == before)
