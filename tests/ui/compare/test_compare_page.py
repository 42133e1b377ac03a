"""The same question to two models: asked once, answered twice, stored as two conversations."""

import shutil
import threading
from html import escape

import pytest

from glmcore.core.errors import EngineError, StorageError
from glmcore.core.messages import StopReason
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.models import openvino
from tests.fakes import FakeEngine
from tests.ui.compare.comparing import ADAPTER, Comparison, add_checkpoint, compared, two_engines
from tests.ui.visits import CHAT_PAGE, Server, Visit


def requests_of(server: Server) -> list[tuple[str | None, int | None]]:
    return sorted(((each.adapter or ""), each.params.seed) for each in all_requests(server))


def all_requests(server: Server):
    return [*server.engine.requests, *server.attach(None, "", None).requests]


def test_one_question_is_answered_by_both_with_the_same_seed_and_parameters(server: Server) -> None:
    visit = compared(server).ask("Why?")
    assert {"Why?", "From the base.", "From the tuned."} <= set(visit.shown())
    assert visit.texts() == [["Why?", "From the base."], ["Why?", "From the tuned."]]
    left, right = all_requests(server)
    assert (left.adapter, right.adapter) == (None, ADAPTER)
    assert left.params == right.params and left.params.seed == 1
    assert visit.shown().count("Why?") == 1, "the question is drawn once"
    facts = [text for text in visit.shown() if text.startswith("fake · 3 tokens · ")]
    assert len(facts) == 2 and all(text.endswith(" · complete") for text in facts)


def test_conversation_goes_on_in_both_columns(server: Server) -> None:
    visit = compared(server).ask("One?").ask("Two?")
    assert [len(texts) for texts in visit.texts()] == [4, 4]
    said = [message.content for message in server.attach(None, "", None).requests[-1].messages]
    assert said == ["One?", "From the tuned.", "Two?"]
    assert len(server.conversations()) == 2


def test_both_are_conversations_of_the_history_with_titles_that_tell_them_apart(server: Server) -> None:
    visit = compared(server).ask("Why?")
    titles = {conversation.title for conversation in server.conversations()}
    assert titles == {"Base model: Why?", "demo/checkpoint-100 · LoRA: Why?"}
    chat = Visit(server, server.services.history.conversations.get("local", visit.address["tuned"]))
    assert chat.at.selectbox(key="adapter").value == ADAPTER
    assert "From the tuned." in chat.shown()


def test_address_brings_everything_back_in_another_tab(server: Server) -> None:
    first = compared(server)
    first.at.number_input(key="compare_seed").set_value(77).run()
    first.set_slider("temperature", 1.1).ask("Why?")
    second = Comparison(server, **first.address)  # which does not name the model: its conversations do
    assert second.at.selectbox(key="compare_model").value == EMBEDDED_MODEL
    assert {"Why?", "From the base.", "From the tuned."} <= set(second.shown())
    assert second.at.number_input(key="compare_seed").value == 77
    assert second.at.slider(key="param_temperature").value == 1.1
    second.ask("And?")
    assert [len(texts) for texts in first.texts()] == [4, 4]
    assert {seed for _, seed in requests_of(server)} == {77}


def test_asking_again_takes_the_next_seed_and_keeps_the_versions(server: Server) -> None:
    visit = compared(server)
    two_engines(server, FakeEngine(["B1.", "B2."]), FakeEngine(["T1.", "T2."]))
    visit.ask("Why?").click("compare_again")
    assert requests_of(server) == [("", 1), ("", 2), (ADAPTER, 1), (ADAPTER, 2)]
    assert {"B2.", "T2."} <= set(visit.shown()) and "B1." not in visit.shown()
    assert visit.at.number_input(key="compare_seed").value == 2
    conversation = server.services.history.conversations.get("local", visit.address["base"])
    path = server.services.history.messages.path("local", conversation.id)
    assert len(path[-1].sibling_ids) == 2


def test_at_temperature_0_another_seed_is_not_offered(server: Server) -> None:
    visit = compared(server)
    visit.set_slider("temperature", 0.0).ask("Why?")
    assert visit.at.button(key="compare_again").disabled


def test_marks_show_what_differs_and_what_was_written_stays_inert(server: Server) -> None:
    visit = compared(server)
    two_engines(server, FakeEngine(["<b>same</b> left"]), FakeEngine(["<b>same</b> right"]))
    visit.ask("Why?")
    assert not any("<mark>" in html.proto.body for html in visit.at.get("html"))
    visit.at.toggle(key="compare_marks").set_value(True).run()
    bodies = [html.proto.body for html in visit.at.get("html") if "<mark>" in html.proto.body]
    same = escape("<b>same</b> ")
    assert bodies == [f'<div class="compared">{same}<mark>{word}</mark></div>' for word in ("left", "right")]


# Who is compared.


def test_without_a_choice_nothing_can_be_asked(server: Server) -> None:
    add_checkpoint(server)
    visit = Comparison(server)
    assert not visit.can_ask
    visit.choose("right", ADAPTER)
    assert visit.can_ask and visit.address["adapter"] == ADAPTER


def test_another_choice_begins_anew_with_the_last_question_at_hand(server: Server) -> None:
    add_checkpoint(server, "other", 5)
    visit = compared(server).ask("Why?").choose("right", "jobs/other/checkpoints/checkpoint-5")
    assert visit.address == {"adapter": "jobs/other/checkpoints/checkpoint-5"}
    assert visit.drafted == "Why?" and "From the base." not in visit.shown()
    assert len(server.conversations()) == 2, "what was said is kept"


def test_sides_are_swapped_with_their_conversations(server: Server) -> None:
    visit = compared(server).ask("Why?")
    before = visit.address
    visit.click("compare_swap")
    assert (visit.address["base"], visit.address["tuned"]) == (before["tuned"], before["base"])
    assert visit.at.selectbox(key="compare_left").value == ADAPTER
    assert visit.at.selectbox(key="compare_right").value == "" and visit.can_ask


def test_two_adapters_can_be_compared(server: Server) -> None:
    add_checkpoint(server, "other", 5)
    other = "jobs/other/checkpoints/checkpoint-5"
    compared(server, left=other).ask("Why?")
    adapters = [request.adapter for request in server.attach(None, "", None).requests]
    assert sorted(adapters) == [ADAPTER, other] and server.engine.requests == []


def test_adapter_that_has_gone_is_said_and_what_it_answered_stays(server: Server) -> None:
    visit = compared(server).ask("Why?")
    shutil.rmtree(server.services.settings.jobs_dir)
    visit = Comparison(server, **visit.address)
    assert visit.says("demo/checkpoint-100 is not there (any more)")
    assert "From the tuned." in visit.shown() and not visit.can_ask
    assert visit.at.button(key="compare_again").disabled


def test_model_that_a_job_tuned_is_a_second_model(server: Server) -> None:
    folder = add_checkpoint(server, "full", 7, kind="model")
    built: list[str] = []
    engines = {EMBEDDED_MODEL: FakeEngine(["Base."]), folder.name: FakeEngine(["Full."])}

    def build(entry, settings, progress):
        built.append(entry.name)
        return engines[entry.name]

    server.build = build
    visit = Comparison(server, adapter="jobs/full/checkpoints/checkpoint-7")
    assert visit.says("loaded as a second model")
    visit.ask("Why?")
    assert {"Base.", "Full."} <= set(visit.shown())
    assert sorted(built) == sorted([EMBEDDED_MODEL, folder.name])
    assert visit.says("full/checkpoint-7 · Full fine-tuning")


# Addresses of anybody.


def test_address_chooses_among_what_is_listed_and_names_no_path(server: Server, tmp_path) -> None:
    (tmp_path / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    for file in ("config.json", "complete.json"):
        (tmp_path / "checkpoints" / "checkpoint-1" / file).write_text("{}")
    strange = [
        "/etc",
        "jobs/../checkpoints/checkpoint-1",
        "jobs/demo/checkpoints/..",
        "x" * 3000,
        "a\0b",
        " ",
    ]
    for name in strange:
        visit = Comparison(server, adapter=name, model=name, left=name)
        assert not visit.at.exception and not visit.says("Something went wrong") and not visit.can_ask
        assert visit.at.selectbox(key="compare_model").value == EMBEDDED_MODEL
        assert visit.says("is not there (any more)")


def test_conversations_that_are_not_there_are_said_and_left_out_of_the_address(server: Server) -> None:
    visit = compared(server, base="nothing", tuned="x" * 2000)
    assert visit.says("There is no conversation") and visit.can_ask
    assert "base" not in visit.address and "tuned" not in visit.address
    visit.ask("Why?")
    assert visit.texts() == [["Why?", "From the base."], ["Why?", "From the tuned."]]


def test_one_side_that_went_on_in_the_chat_is_shown_with_its_own_question(server: Server) -> None:
    visit = compared(server).ask("Why?")
    Visit(server, server.services.history.conversations.get("local", visit.address["base"])).ask("Alone?")
    visit = Comparison(server, **visit.address)
    assert "Alone?" in visit.shown() and visit.can_ask


# While they are made, and when something fails.


def test_other_tab_follows_running_answers_and_stop_ends_both(server: Server) -> None:
    gates = [threading.Semaphore(1), threading.Semaphore(1)]
    first = compared(server)
    two_engines(server, *(FakeEngine(["one two three"], gate=gate) for gate in gates))
    first.send("Why?")
    assert not first.can_ask and first.has("compare_stop")
    second = Comparison(server, **first.address)
    assert not second.can_ask and second.has("compare_stop")
    second.click("compare_stop")
    assert second.can_ask and not second.has("compare_stop")
    ends = [message.facts.stop_reason for message in last_messages(second)]
    assert ends == [StopReason.CANCELLED, StopReason.CANCELLED]


def test_slow_side_does_not_keep_the_other_from_being_shown(server: Server) -> None:
    gate = threading.Semaphore(0)
    visit = compared(server)
    two_engines(server, FakeEngine(["never"], gate=gate), FakeEngine(["At once."]))
    visit.send("Why?")
    tuned = visit.address["tuned"]
    leaf = server.services.history.conversations.get("local", tuned).leaf_id
    while server.services.answers.get(leaf) is not None:
        threading.Event().wait(0.002)
    visit.at.run()
    assert "At once." in visit.shown() and visit.has("compare_stop")
    gate.release(5)
    assert "never" in visit.settle().shown()


def test_failure_of_one_side_leaves_the_other_its_answer(server: Server) -> None:
    visit = compared(server)
    two_engines(server, FakeEngine([EngineError("It broke.")]), FakeEngine(["Fine."]))
    visit.ask("Why?")
    assert visit.says("It broke.") and "Fine." in visit.shown() and visit.can_ask


def test_full_registry_is_said_and_both_can_be_asked_again(server: Server, monkeypatch) -> None:
    visit = compared(server)
    monkeypatch.setattr(server.services.answers, "_max_running", 0)
    visit.send("Why?")
    assert visit.says("0 answers are already running or waiting")
    assert visit.texts() == [["Why?"], ["Why?"]]
    monkeypatch.setattr(server.services.answers, "_max_running", 16)
    visit.click("compare_again")
    assert visit.texts() == [["Why?", "From the base."], ["Why?", "From the tuned."]]


def test_question_that_cannot_be_stored_is_given_back(server: Server, monkeypatch) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise StorageError("{place}: the disk is full.", place="db")

    visit = compared(server)
    with monkeypatch.context() as failing:
        failing.setattr(server.services.history.messages, "add_question", fail)
        visit.send("A long thought")
    assert visit.says("the disk is full") and visit.at.code[0].value == "A long thought"
    visit.at.run()
    assert visit.drafted == "A long thought" and all_requests(server) == []


def test_chat_brings_its_own_parameters_back_afterwards(server: Server) -> None:
    chat = Visit(server).set_slider("temperature", 0.3).ask("Why?")
    conversation = chat.conversation_id
    first = compared(server).set_slider("temperature", 1.5).ask("Hot?")
    tab = Comparison(server, **first.address)
    assert tab.at.slider(key="param_temperature").value == 1.5
    tab.at.switch_page(CHAT_PAGE)
    tab.at.query_params["c"] = conversation
    tab.at.run()
    assert tab.at.slider(key="param_temperature").value == 0.3


def last_messages(visit: Comparison):
    history = visit.server.services.history
    return [history.messages.path("local", visit.address[name])[-1].message for name in ("base", "tuned")]


def test_both_are_asked_in_the_engine_that_the_session_chose(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "reason_against", lambda entry, settings: None)
    visit = compared(server)
    visit.at.selectbox(key="engine").set_value("transformers").run()
    visit.ask("Why?")
    assert [request.engine for request in all_requests(server)] == ["transformers", "transformers"]
