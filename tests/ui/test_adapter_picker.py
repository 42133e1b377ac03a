"""Adapters on the chat page: offered where some fit, kept with the conversation, said when gone."""

import json
import shutil
from pathlib import Path

import pytest

from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.ui.adapter_picker import listed_model, short_name, what_to_load
from tests.fakes import FakeEngine
from tests.ui.visits import Server, Visit
from tests.ui.ways import leave_for


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
    assert visit.says(f"{EMBEDDED_MODEL} + tuned · fake · 2 tokens")
    choose(visit, "").click("regenerate")
    assert adapters_asked(server) == ["tuned", None]
    assert visit.says(f"{EMBEDDED_MODEL} · fake · 2 tokens")
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


def test_adapter_that_has_gone_is_said_and_the_model_answers_alone(server: Server) -> None:
    folder = add_adapter(server, "tuned")
    choose(Visit(server), "tuned").ask("Why?")
    shutil.rmtree(folder)
    visit = Visit(server, server.conversations()[0])
    assert visit.says("The adapter tuned answered here before and is not here any more")
    assert not has_picker(visit)
    visit.ask("And?")
    assert adapters_asked(server) == ["tuned", None] and not visit.says("not here any more")


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


# From another page.

CHECKPOINT = "jobs/demo/checkpoints/checkpoint-100"


def finish(folder: Path) -> Path:
    (folder / "complete.json").write_text("{}")
    return folder


def use(base_model: str, folder: Path, **state: object):
    return leave_for(f"use_in_chat(services(), {base_model!r}, Path({str(folder)!r}))", **state)


def test_checkpoint_is_loaded_into_a_new_chat(server: Server) -> None:
    folder = finish(add_adapter(server, CHECKPOINT))
    at = use(EMBEDDED_MODEL, folder)
    assert at.selectbox(key="model").value == EMBEDDED_MODEL
    assert at.selectbox(key="adapter").value == CHECKPOINT
    assert at.selectbox(key="adapter").options == ["No adapter", "demo/checkpoint-100 · LoRA"]
    at.chat_input(key="question").set_value("Why?").run()
    server.wait_for_answers()
    assert adapters_asked(server) == [CHECKPOINT]


def test_back_from_the_chat_leads_to_the_address_that_was_left(server: Server) -> None:
    folder = finish(add_adapter(server, CHECKPOINT))
    at = use(EMBEDDED_MODEL, folder, address={"view": "jobs", "job": "demo"})
    # Streamlit puts another address before the page, and an entry of the browser's history with it.
    assert dict(at.query_params) == {"view": "jobs", "job": "demo"}


def test_choice_survives_what_the_chat_showed_before(server: Server) -> None:
    add_model(server, "second")
    folder = finish(add_adapter(server, CHECKPOINT))
    before = {"restored_conversation": "an older one", "model": "second", "adapter": "gone"}
    at = use(EMBEDDED_MODEL, folder, **before)
    assert at.selectbox(key="adapter").value == CHECKPOINT
    at.run()
    assert (at.selectbox(key="model").value, at.selectbox(key="adapter").value) == (
        EMBEDDED_MODEL,
        CHECKPOINT,
    )


def test_unfinished_or_deleted_checkpoint_is_said(server: Server) -> None:
    folder = add_adapter(server, CHECKPOINT)
    for _ in range(2):
        at = use(EMBEDDED_MODEL, folder)
        assert "There is no finished checkpoint demo/checkpoint-100" in at.exception[0].message
        shutil.rmtree(folder, ignore_errors=True)


def test_base_named_by_its_path_is_the_one_in_the_list(server: Server) -> None:
    add_model(server, "second")
    settings = server.services.settings
    path = str(settings.models_dir / "second")
    assert listed_model(settings, path) == "second"
    assert listed_model(settings, "/elsewhere/x") == "/elsewhere/x"
    folder = finish(add_adapter(server, CHECKPOINT, base="second"))
    assert what_to_load(settings, path, folder) == ("second", CHECKPOINT)


def test_model_that_a_job_tuned_needs_no_base(server: Server) -> None:
    settings = server.services.settings
    folder = settings.jobs_dir / "full" / "checkpoints" / "checkpoint-7"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(NotFoundError, match="no finished checkpoint full/checkpoint-7"):
        what_to_load(settings, EMBEDDED_MODEL, folder)
    assert what_to_load(settings, EMBEDDED_MODEL, finish(folder)) == (str(folder), None)
    at = use(EMBEDDED_MODEL, folder).run()
    assert at.selectbox(key="model").value == str(folder)
    at.chat_input(key="question").set_value("Why?").run()
    server.wait_for_answers()
    assert [(request.model, request.adapter) for request in server.requests] == [(str(folder), None)]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("jobs/a-1/checkpoints/checkpoint-5", "a-1/checkpoint-5"),
        ("/home/x/jobs/a-1/checkpoints/checkpoint-5", "a-1/checkpoint-5"),
        ("m/tuned", "tuned"),
        ("other/tuned", "other/tuned"),
    ],
)
def test_names_are_short_where_their_place_says_nothing(name: str, short: str) -> None:
    assert short_name(name, "m") == short
