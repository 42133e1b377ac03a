"""Adapters on the chat page: offered where some fit, kept with the conversation, said when gone."""

import json
import shutil
from pathlib import Path

from glmcore.core.errors import ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL
from tests.fakes import FakeEngine
from tests.ui.visits import Server, Visit


def add_adapter(server: Server, name: str, base: str = EMBEDDED_MODEL, kind: str = "LORA") -> Path:
    folder = Path(server.services.settings.home) / name
    folder.mkdir(parents=True)
    config = {"peft_type": kind, "base_model_name_or_path": f"org/{base}"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def add_model(server: Server, name: str) -> None:
    folder = Path(server.services.settings.models_dir) / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')


def has_picker(visit: Visit) -> bool:
    return any(box.key == "adapter" for box in visit.at.selectbox)


def choose(visit: Visit, name: str) -> Visit:
    visit.at.selectbox(key="adapter").set_value(name).run()
    return visit


def adapters_asked(server: Server) -> list[str | None]:
    return [request.adapter for request in server.requests]


def test_picker_is_there_only_where_an_adapter_fits(server: Server) -> None:
    assert not has_picker(Visit(server))
    add_adapter(server, "other", base="another-model")
    assert not has_picker(Visit(server))
    add_adapter(server, "tuned")
    visit = Visit(server)
    assert visit.at.selectbox(key="adapter").options == ["No adapter", "tuned · LoRA"]
    assert visit.at.selectbox(key="adapter").value == ""


def test_methods_have_names(server: Server) -> None:
    add_adapter(server, f"{EMBEDDED_MODEL}/p", kind="PREFIX_TUNING")
    add_adapter(server, "q", kind="IA3")
    assert Visit(server).at.selectbox(key="adapter").options == ["No adapter", "p · Prefix tuning", "q · IA3"]


def test_chosen_adapter_answers_and_is_named_under_the_answer(server: Server) -> None:
    add_adapter(server, "tuned")
    attached: list[str] = []

    def attach(base, adapter, settings) -> FakeEngine:
        attached.append(adapter)
        return server.engine

    server.attach = attach
    visit = choose(Visit(server), "tuned").ask("Why?")
    assert (attached, adapters_asked(server)) == (["tuned"], ["tuned"])
    assert visit.says(f"{EMBEDDED_MODEL} + tuned · 2 tokens")
    choose(visit, "").click("regenerate")
    assert adapters_asked(server) == ["tuned", None]
    assert visit.says(f"{EMBEDDED_MODEL} · 2 tokens")
    choose(visit, "tuned").click("regenerate")
    assert adapters_asked(server) == ["tuned", None, "tuned"]


def test_opening_a_conversation_brings_its_adapter_back(server: Server) -> None:
    add_adapter(server, "tuned")
    choose(Visit(server), "tuned").ask("Why?")
    Visit(server).ask("Without?")
    without, tuned = server.conversations()
    assert Visit(server, tuned).at.selectbox(key="adapter").value == "tuned"
    assert Visit(server, without).at.selectbox(key="adapter").value == ""


def test_new_chat_keeps_the_choice(server: Server) -> None:
    add_adapter(server, "tuned")
    visit = choose(Visit(server), "tuned").ask("Why?").click("new_chat").ask("And?")
    assert adapters_asked(server) == ["tuned", "tuned"]
    assert visit.at.selectbox(key="adapter").value == "tuned"


def test_another_model_does_not_get_the_adapter(server: Server) -> None:
    add_adapter(server, "tuned")
    add_model(server, "second")
    visit = choose(Visit(server), "tuned").ask("Why?")
    visit.at.selectbox(key="model").select("second").run()
    assert not has_picker(visit)
    visit.click("regenerate")
    assert (server.requests[-1].model, server.requests[-1].adapter) == ("second", None)


def test_adapter_that_has_gone_is_named_and_said(server: Server) -> None:
    folder = add_adapter(server, "tuned")
    choose(Visit(server), "tuned").ask("Why?")
    shutil.rmtree(folder)
    visit = Visit(server, server.conversations()[0])
    assert visit.at.selectbox(key="adapter").options == ["No adapter", "tuned"]
    assert visit.at.selectbox(key="adapter").value == "tuned"
    assert visit.says("There is no adapter 'tuned'")
    choose(visit, "")
    assert not visit.says("There is no adapter")


def test_broken_adapter_is_an_error_of_its_answer_alone(server: Server) -> None:
    add_adapter(server, "tuned")

    def fail(*arguments: object) -> None:
        raise ModelLoadError("{path} is broken.", path="x.bin")

    server.attach = fail
    visit = choose(Visit(server), "tuned").ask("Why?")
    assert visit.says("x.bin is broken.")
    assert visit.says(f"{EMBEDDED_MODEL} + tuned")
    choose(visit, "").click("regenerate")
    assert visit.says("An answer.") and not visit.says("x.bin is broken.")
