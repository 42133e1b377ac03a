"""One model in two engines: which of them answers, what one that fails leads to, how both are given back."""

import logging
import threading
from dataclasses import replace
from itertools import count

import pytest

from glmcore.chat import model_host
from glmcore.chat.model_host import ModelHost
from glmcore.core.errors import ConfigError, EngineError, ModelLoadError, NotEnoughMemoryError
from glmcore.core.settings import Settings
from glmcore.models import openvino
from glmcore.models.places.devices import GIB
from glmcore.models.places.holders import holders
from tests.chat.conftest import request_for, wait_until
from tests.fakes import FakeEngine

REFUSED = "an adapter for transformers"


class Engine(FakeEngine):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.held_bytes = kind, {"cpu": GIB}


class Builder:
    """Builds what `settings.engine` names; a kind in `faults` raises, and `gate` holds all up."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.faults: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, entry, settings, progress) -> Engine:
        assert self.gate.wait(5)
        self.built.append(settings.engine)
        if fault := self.faults.get(settings.engine):
            raise fault
        return Engine(settings.engine)


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def name(tmp_path) -> str:
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUF")
    return str(file)


@pytest.fixture
def open_host(builder, tmp_path, monkeypatch):
    """Makes hosts of a machine without a GPU, where openvino can have every model and most adapters."""
    monkeypatch.setattr(openvino, "reason_against", lambda entry, settings: None)
    reason = ModelLoadError("It is too odd.")
    monkeypatch.setattr(
        model_host,
        "reason_against_adapter",
        lambda base, adapter, _: reason if base.kind == "openvino" and adapter == REFUSED else None,
    )
    hosts, homes = [], count()

    def open_one(**settings) -> ModelHost:
        home = tmp_path / f"home{next(homes)}"
        given = {"device": "cpu", "allow_hub": False, **settings}
        hosts.append(ModelHost(Settings(home=home, **given), builder, lambda base, *_: Engine(base.kind)))
        return hosts[-1]

    yield open_one
    for host in hosts:
        host.close()


@pytest.fixture
def host(open_host) -> ModelHost:
    return open_host()


def test_who_asks_for_the_automatic_engine_shares_it_another_is_loaded_beside(host, builder, name) -> None:
    automatic = host.engine(name)
    assert automatic.kind == "openvino"
    assert host.engine(name, engine="openvino") is automatic
    other = host.engine(name, engine="transformers")
    assert (other.kind, builder.built) == ("transformers", ["openvino", "transformers"])
    assert host.ready_engine(name) is automatic
    assert host.ready_engine(name, "transformers") is other
    assert host.loaded_names() == [name]
    assert host.loaded_engines() == [(name, automatic), (name, other)]


def test_a_model_that_is_in_another_engine_only_is_not_loaded_for_who_names_none(host, name) -> None:
    other = host.engine(name, engine="transformers")
    assert host.state(name) is None and host.ready_engine(name) is None
    assert host.state(name, "transformers").is_ready
    assert host.loaded_names() == [name]
    other.fault = EngineError("It died.")
    assert host.trouble(name) is other.fault
    host.engine(name)
    assert host.trouble(name) is None, "the automatic one can answer"


def test_an_engine_asked_for_first_is_the_automatic_one_where_that_is_the_same(host, builder, name) -> None:
    engine = host.engine(name, engine="openvino")
    assert host.state(name).is_ready
    assert host.engine(name) is engine
    assert builder.built == ["openvino"]


@pytest.mark.parametrize(
    "fault", [ModelLoadError("Too odd."), EngineError("It broke."), ZeroDivisionError("0")]
)
def test_a_model_that_openvino_cannot_load_is_served_by_transformers_without_a_word(
    host, builder, name, fault, caplog
) -> None:
    builder.faults["openvino"] = fault
    with caplog.at_level(logging.WARNING, "glmcore.chat"):
        assert host.engine(name).kind == "transformers"
        assert host.engine(name).kind == "transformers"
    assert builder.built == ["openvino", "transformers"], "what failed is not tried again"
    told = [record for record in caplog.records if "transformers serves" in record.message]
    assert len(told) == 1 and str(fault) in told[0].getMessage()
    assert host.state(name).is_ready
    entry = replace(host.find(name), name=name)
    assert host.automatic.of_entry(entry) == "transformers"
    assert str(fault) in str(host.automatic.reason_against_openvino(entry))
    host.unload(name)
    builder.faults.clear()
    assert host.engine(name).kind == "openvino", "unloading forgets it"


def test_loading_in_the_background_goes_on_with_transformers_and_shows_no_error(host, builder, name) -> None:
    builder.faults["openvino"] = ModelLoadError("Too odd.")
    host.start_loading(name)
    seen = []
    assert wait_until(lambda: seen.append(host.state(name)) or (seen[-1] is not None and seen[-1].is_ready))
    assert None not in seen and not any(state.error for state in seen)
    assert host.ready_engine(name).kind == "transformers"


def test_who_asked_for_openvino_is_told_why_it_cannot(host, builder, name) -> None:
    builder.faults["openvino"] = ModelLoadError("Too odd.")
    with pytest.raises(ModelLoadError, match="Too odd"):
        host.engine(name, engine="openvino")
    assert str(host.state(name, "openvino").error) == "Too odd."
    assert builder.built == ["openvino"], "nobody asked for another one"
    assert host.engine(name).kind == "transformers"


def test_too_little_memory_is_said_and_not_mended_by_another_engine(host, builder, name) -> None:
    builder.faults["openvino"] = NotEnoughMemoryError("No room.")
    with pytest.raises(NotEnoughMemoryError):
        host.engine(name)
    assert builder.built == ["openvino"]
    builder.faults.clear()
    assert host.engine(name).kind == "openvino"


def test_what_no_engine_can_load_is_tried_with_both_again(host, builder, name) -> None:
    """A network that was down, for example."""
    builder.faults = {kind: ModelLoadError(f"{kind} failed.") for kind in ("openvino", "transformers")}
    with pytest.raises(ModelLoadError, match="transformers failed"):
        host.engine(name)
    assert str(host.state(name).error) == "transformers failed."
    builder.faults.clear()
    assert host.engine(name).kind == "openvino"


def test_engines_that_the_settings_want_are_not_given_up(open_host, builder, name) -> None:
    host = open_host(engine="openvino")
    builder.faults["openvino"] = ModelLoadError("Too odd.")
    with pytest.raises(ModelLoadError, match="Too odd"):
        host.engine(name)
    assert builder.built == ["openvino"]


def test_what_an_engine_cannot_have_is_said_as_a_failed_load(open_host, name, monkeypatch) -> None:
    monkeypatch.setattr(openvino, "reason_against", lambda *_: ModelLoadError("It has experts."))
    host = open_host(engine="openvino")
    with pytest.raises(ConfigError, match="It has experts"):
        host.engine(name)
    assert "experts" in str(host.state(name).error)
    assert host.engine(name, engine="transformers").kind == "transformers"


def test_an_adapter_that_openvino_cannot_serve_goes_to_transformers(host, builder, name) -> None:
    base = host.engine(name)
    assert host.engine(name, adapter="plain").kind == "openvino"
    assert builder.built == ["openvino"]
    assert host.engine(name, adapter=REFUSED).kind == "transformers"
    assert builder.built == ["openvino", "transformers"]
    assert host.ready_engine(name) is base
    assert str(host.reason_against_adapter(name, REFUSED)) == "It is too odd."
    assert host.reason_against_adapter(name, "plain") is None
    assert host.reason_against_adapter(name, REFUSED, "transformers") is None
    assert host.reason_against_adapter("not loaded", REFUSED) is None


def test_an_adapter_is_refused_where_openvino_was_asked_for(host, open_host, builder, name) -> None:
    with pytest.raises(ConfigError, match=r"cannot answer with the adapter .* It is too odd"):
        host.engine(name, adapter=REFUSED, engine="openvino")
    with pytest.raises(ConfigError, match="choose the engine transformers"):
        open_host(engine="openvino").engine(name, adapter=REFUSED)
    assert "transformers" not in builder.built


def test_likelihoods_are_told_by_transformers_unless_openvino_was_asked_for(host, open_host, name) -> None:
    request = replace(request_for("hello"), model=name)
    assert host.engine_for(request).kind == "openvino"
    assert host.engine_for(replace(request, engine="transformers")).kind == "transformers"
    assert host.engine_for(replace(request, logprobs=0)).kind == "transformers"
    assert host.engine_for(replace(request, logprobs=0, engine="openvino")).kind == "openvino"
    assert open_host(engine="openvino").engine_for(replace(request, logprobs=0)).kind == "openvino"


def test_each_engine_is_given_back_alone_or_both_together(host, tmp_path, name) -> None:
    first, second = host.engine(name), host.engine(name, engine="transformers")
    assert [one.bytes for one in holders(tmp_path / "home0", "cpu")] == [GIB, GIB]
    host.unload(name, "transformers")
    assert (first.is_closed, second.is_closed) == (False, True)
    assert [one.bytes for one in holders(tmp_path / "home0", "cpu")] == [GIB]
    again = host.engine(name, engine="transformers")
    host.unload(name)
    assert first.is_closed and again.is_closed
    assert holders(tmp_path / "home0", "cpu") == [] and host.loaded_names() == []


def test_an_idle_engine_makes_room_for_another_of_the_same_model(host, builder, name) -> None:
    class Full(Builder):
        def __call__(self, entry, settings, progress):
            if not first.is_closed:
                raise NotEnoughMemoryError("No room.")
            return super().__call__(entry, settings, progress)

    first = host.engine(name)
    host._build = Full()
    assert host.engine(name, engine="transformers").kind == "transformers"
    assert first.is_closed and host.state(name) is None
