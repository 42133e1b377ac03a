"""Engines on the pages: said, chosen for the session where there are several, and what an adapter needs."""

import pytest
from streamlit.testing.v1.element_tree import Selectbox

from glmcore.chat import engine_choice, model_host
from glmcore.core.errors import ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.models import openvino
from tests.fakes import FakeEngine
from tests.ui.test_adapter_picker import add_adapter, add_model, choose
from tests.ui.visits import Server, Visit, forget_services

REASON = ModelLoadError("{path}: it lies in safetensors.", path="second")


@pytest.fixture(autouse=True)
def machine(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU; openvino can have the embedded model and nothing else."""
    monkeypatch.setattr(engine_choice, "has_gpu", lambda: False)
    monkeypatch.setattr(
        openvino, "reason_against", lambda entry, settings: REASON if entry.kind == "folder" else None
    )
    server.engines: dict[str, FakeEngine] = {}

    def build(entry, settings, progress) -> FakeEngine:
        engine = server.engines[settings.engine] = FakeEngine()
        engine.kind, engine.requests = settings.engine, server.engine.requests
        return engine

    server.build = build


def picker(visit: Visit) -> Selectbox | None:
    return next((box for box in visit.at.selectbox if box.key == "engine"), None)


def engine_asked(server: Server) -> str | None:
    return server.requests[-1].engine


def test_the_automatic_engine_is_named_and_another_can_be_chosen_for_the_session(server: Server) -> None:
    visit = Visit(server)
    assert picker(visit).options == ["Automatic: openvino", "transformers", "openvino"]
    visit.ask("Why?")
    assert engine_asked(server) is None
    assert visit.says(f"{EMBEDDED_MODEL} · openvino · 2 tokens")
    picker(visit).set_value("transformers").run()
    assert set(server.engines) == {"openvino", "transformers"}, "it is loaded when it is chosen"
    visit.ask("How?")
    assert engine_asked(server) == "transformers"
    assert visit.says(f"{EMBEDDED_MODEL} · transformers · 2 tokens")
    visit.click("new_chat")
    assert picker(visit).value == "transformers"
    assert picker(Visit(server)).value == "", "it is this session's own"


def test_where_there_is_one_engine_it_is_said_with_what_speaks_against_the_other(server: Server) -> None:
    add_model(server, "second")
    visit = Visit(server)
    picker(visit).set_value("openvino").run()
    visit.at.selectbox(key="model").select("second").run()
    assert picker(visit) is None
    told = next(caption for caption in visit.at.caption if caption.value == "Engine: transformers")
    assert told.help.replace("\\", "") == "second: it lies in safetensors."
    visit.ask("Why?")
    assert engine_asked(server) is None, "what was chosen for another model cannot have this one"


def test_an_engine_that_the_settings_want_is_no_reason_to_fail_the_page(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_model(server, "second")
    monkeypatch.setenv("GLMCORE_ENGINE", "openvino")
    monkeypatch.setenv("GLMCORE_MODEL", "second")
    forget_services()
    visit = Visit(server).ask("Why?")
    assert visit.says("cannot answer with second") and not visit.at.exception


def test_an_engine_that_could_not_load_the_model_is_said_and_can_still_be_chosen(server: Server) -> None:
    build = server.build

    def fail(entry, settings, progress) -> FakeEngine:
        if settings.engine == "openvino":
            raise ModelLoadError("Too odd.")
        return build(entry, settings, progress)

    server.build = fail
    visit = Visit(server).ask("Why?")
    assert picker(visit).options[0] == "Automatic: transformers"
    assert picker(visit).help == "Too odd\\."
    assert not visit.at.error


@pytest.mark.parametrize("chosen", ["", "openvino", "transformers"])
def test_an_adapter_for_another_engine_is_said_before_anybody_asks(
    server: Server, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    monkeypatch.setattr(
        model_host,
        "reason_against_adapter",
        lambda base, adapter, _: ModelLoadError("It has biases.") if base.kind == "openvino" else None,
    )
    add_adapter(server, "tuned")
    server.load_model()
    visit = Visit(server)
    if chosen:
        picker(visit).set_value(chosen).run()
    choose(visit, "tuned")
    said = "The transformers engine answers with the adapter tuned."
    refused = "The openvino engine cannot answer with the adapter 'tuned'"
    assert visit.says(said) == (chosen == "")
    assert visit.says(refused) == (chosen == "openvino")


def test_a_model_in_two_engines_is_shown_with_both_and_unloaded_from_both(server: Server) -> None:
    server.load_model()
    server.services.models.engine(EMBEDDED_MODEL, engine="transformers")
    visit = Visit(server, page="overview")
    assert visit.says("ready · openvino · transformers")
    visit.click(f"unload_{EMBEDDED_MODEL}")
    assert all(engine.is_closed for engine in server.engines.values())
    assert visit.has(f"load_{EMBEDDED_MODEL}")
