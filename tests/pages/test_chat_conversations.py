"""Conversations on the chat page: opened by address, restored, long, gone; what a new chat starts with."""

from pathlib import Path

from glmcore.core.messages import GenerationParams
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.ui.chat.view import TURNS_AT_ONCE
from tests.ui.visits import OWNER, Server, Visit

SET = GenerationParams(temperature=0.35, top_k=7, seed=9, stop=("##",))

RECOMMENDED = 0.2  # the temperature that the embedded model's files recommend


def add_model(server: Server, name: str) -> None:
    folder = Path(server.services.settings.models_dir) / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')


def temperature(visit: Visit) -> float:
    return visit.at.slider(key="param_temperature").value


def test_opening_a_conversation_restores_how_it_was_answered(server: Server) -> None:
    conversation = server.add_conversation("Why?", "So.", params=SET, system_prompt="Be brief.")
    visit = Visit(server, conversation)
    assert temperature(visit) == 0.35 and visit.at.slider(key="param_top_k").value == 7
    assert visit.at.number_input(key="param_seed").value == 9
    assert visit.at.text_area(key="param_stop").value == "##"
    assert visit.at.text_area(key="system_prompt").value == "Be brief."
    visit.ask("And?")
    assert server.requests[-1].params == SET
    assert server.requests[-1].messages[0].content == "Be brief."


def test_opening_another_one_from_the_list_restores_that(server: Server) -> None:
    first = server.add_conversation("One?", "So.", params=SET)
    add_model(server, "other")
    second = server.add_conversation("Two?", "So.", model="other", system_prompt="Rhyme.")
    visit = Visit(server, first)
    visit.click(f"open_{second.id}")
    assert temperature(visit) == GenerationParams().temperature
    assert visit.at.text_area(key="system_prompt").value == "Rhyme."
    assert visit.at.selectbox(key="model").value == "other"
    visit.click(f"open_{first.id}")
    assert temperature(visit) == 0.35 and visit.at.selectbox(key="model").value == EMBEDDED_MODEL


def test_sliders_moved_in_an_open_conversation_stay_moved(server: Server) -> None:
    visit = Visit(server, server.add_conversation("Why?", "So.", params=SET))
    visit.set_slider("temperature", 1.2).ask("And?")
    assert temperature(visit) == 1.2
    assert server.conversations()[0].params.temperature == 1.2
    assert temperature(visit.settle()) == 1.2


def test_new_chat_does_not_inherit_from_the_conversation_that_was_open(server: Server) -> None:
    conversation = server.add_conversation("Why?", "So.", params=SET, system_prompt="You are a pirate.")
    visit = Visit(server, conversation).click("new_chat")
    assert temperature(visit) == RECOMMENDED
    assert visit.at.text_area(key="system_prompt").value == ""


def test_what_a_person_set_stays_in_the_next_new_chat(server: Server) -> None:
    visit = Visit(server).set_slider("temperature", 1.2)
    visit.at.text_area(key="system_prompt").set_value("Rhyme.").run()
    visit.ask("Why?").click("new_chat")
    assert temperature(visit) == 1.2 and visit.at.text_area(key="system_prompt").value == "Rhyme."


def test_new_chat_starts_with_the_models_own_defaults(server: Server) -> None:
    server.engine.default_params = GenerationParams(temperature=0.15, top_k=11)
    visit = Visit(server)
    assert temperature(visit) == RECOMMENDED  # by its files; it is not loaded yet
    server.load_model()
    visit.at.run()
    assert temperature(visit) == 0.15 and visit.at.slider(key="param_top_k").value == 11
    conversation = server.add_conversation("Why?", "So.", params=SET)
    visit.at.run()
    visit.click(f"open_{conversation.id}")
    assert temperature(visit) == 0.35
    assert temperature(visit.click("new_chat")) == 0.15


def test_models_defaults_do_not_undo_what_was_set(server: Server) -> None:
    server.engine.default_params = GenerationParams(temperature=0.15)
    visit = Visit(server).set_slider("temperature", 1.2)
    server.load_model()
    visit.at.run()
    assert temperature(visit) == 1.2


def test_models_defaults_do_not_undo_a_preset(server: Server) -> None:
    server.engine.default_params = GenerationParams(temperature=0.15)
    server.services.history.presets.save(OWNER, "Mine", GenerationParams(temperature=0.9), "Rhyme.")
    visit = Visit(server)
    visit.at.selectbox(key="preset_choice").select("Mine").run()
    server.load_model()
    visit.at.run()
    assert temperature(visit) == 0.9
    visit.ask("Why?").click("new_chat")
    assert temperature(visit) == 0.9


def test_unknown_address_is_said_and_a_new_chat_opened(server: Server) -> None:
    conversation = server.add_conversation("Why?", "So.")
    server.services.history.conversations.delete(OWNER, conversation.id)
    visit = Visit(server, conversation)
    assert visit.says(f"There is no conversation '{conversation.id}'")
    assert visit.conversation_id is None and "What would you like to know?" in visit.shown()
    visit.at.run()
    assert not visit.at.warning


def test_strange_address_is_harmless(server: Server) -> None:
    for strange in ("", "../../etc/passwd", "' OR 1=1 --", "![x](http://x/y.png)", "x" * 3000, "\x00"):
        visit = Visit(server)
        visit.at.query_params["c"] = strange
        visit.at.run()
        assert visit.conversation_id is None and not visit.at.exception and not visit.at.error
        assert "![" not in visit.at.warning[0].value


def test_question_in_a_conversation_deleted_elsewhere_opens_a_new_one(server: Server) -> None:
    visit = Visit(server).ask("One?")
    server.services.history.conversations.delete(OWNER, server.conversations()[0].id)
    visit.at.chat_input(key="question").set_value("Two?").run()
    server.wait_for_answers()
    assert server.texts() == ["Two?", "An answer."]
    assert visit.conversation_id == server.conversations()[0].id
    assert visit.says("There is no conversation")


def test_long_conversation_shows_its_latest_turns_and_more_on_demand(server: Server) -> None:
    conversation = server.add_conversation(*[f"text {number}" for number in range(500)])
    visit = Visit(server, conversation)
    assert len(visit.at.chat_message) == 2 * TURNS_AT_ONCE == 60
    shown = set(visit.shown())
    assert "text 499" in shown and "text 440" in shown and "text 439" not in shown
    assert "Show earlier turns (440 messages)" in visit.labels()
    visit.click("show_earlier")
    assert len(visit.at.chat_message) == 120
    assert "text 380" in visit.shown() and visit.has("show_earlier")


def test_earlier_turns_are_remembered_per_conversation(server: Server) -> None:
    long = server.add_conversation(*[f"text {number}" for number in range(70)])
    other = server.add_conversation(*[f"else {number}" for number in range(70)])
    visit = Visit(server, long).click("show_earlier")
    assert len(visit.at.chat_message) == 70 and not visit.has("show_earlier")
    visit.click(f"open_{other.id}")
    assert len(visit.at.chat_message) == 60
    visit.click(f"open_{long.id}")
    assert len(visit.at.chat_message) == 70


def test_context_meter_tells_how_full_the_window_is(server: Server) -> None:
    server.load_model()
    visit = Visit(server)
    assert not visit.at.progress
    visit.ask("One two three?")
    assert visit.at.progress[0].text == "Context 5 of 1,000 tokens"


def test_model_that_has_gone_is_said_and_another_one_answers(server: Server) -> None:
    visit = Visit(server, server.add_conversation("Why?", "So.", model="gone", params=SET))
    assert visit.at.selectbox(key="model").value == EMBEDDED_MODEL
    assert visit.says(f"The model gone answered here before and is not here any more; {EMBEDDED_MODEL}")
    assert temperature(visit) == 0.35
    visit.ask("And?")
    assert server.requests[-1].model == EMBEDDED_MODEL and not visit.says("not here any more")
