"""The sliders: what is set is what is sent, and what a person chose is told from what was put there."""

from types import SimpleNamespace

import pytest

from glmcore.core.messages import PARAM_RANGES, GenerationParams
from glmcore.ui import parameters
from glmcore.ui.parameters import (
    SLIDERS,
    are_untouched,
    current_params,
    is_prompt_untouched,
    put_params,
)
from tests.ui.visits import CHAT_PAGE, OVERVIEW_PAGE, OWNER, Server, Visit

UNUSUAL = GenerationParams(
    temperature=0.35,
    top_p=0.8,
    top_k=7,
    max_new_tokens=100,
    repetition_penalty=1.15,
    seed=9,
    stop=("##", "END"),
)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    values: dict[str, object] = {}
    monkeypatch.setattr(parameters, "st", SimpleNamespace(session_state=values))
    return values


def test_what_is_put_comes_back(state: dict[str, object]) -> None:
    put_params(UNUSUAL, "Be brief.")
    assert current_params() == UNUSUAL
    assert state["system_prompt"] == "Be brief."


def test_sliders_lie_inside_what_an_answer_may_have() -> None:
    for name, (low, high, step) in SLIDERS.items():
        allowed = PARAM_RANGES[name]
        assert allowed[0] <= low < high <= allowed[1] and step > 0, name
        assert {type(low), type(high), type(step)} == {type(getattr(GenerationParams(), name))}, name


def test_values_beyond_a_slider_are_brought_to_its_end_and_count_as_untouched(
    state: dict[str, object],
) -> None:
    put_params(GenerationParams(top_k=1000, max_new_tokens=1, repetition_penalty=0.5, temperature=1), "")
    assert (current_params().top_k, current_params().max_new_tokens) == (200, 16)
    assert isinstance(state["param_temperature"], float)  # a whole number would be refused by the slider
    assert are_untouched()


def test_a_moved_slider_and_a_typed_prompt_are_noticed(state: dict[str, object]) -> None:
    assert are_untouched() and is_prompt_untouched()
    put_params(GenerationParams(), "")
    assert are_untouched() and is_prompt_untouched()
    state["param_top_k"] = 3
    assert not are_untouched() and is_prompt_untouched()
    state["system_prompt"] = "x"
    assert not is_prompt_untouched()


def test_stop_texts_are_lines_without_empty_ones(state: dict[str, object]) -> None:
    put_params(GenerationParams(), "")
    state["param_stop"] = "\n##\n\n END\n"
    assert current_params().stop == ("##", " END")


# On the page.


def test_values_of_the_sliders_reach_the_request(server: Server) -> None:
    visit = Visit(server)
    for name in SLIDERS:
        visit.set_slider(name, getattr(UNUSUAL, name))
    visit.at.number_input(key="param_seed").set_value(9).run()
    visit.at.text_area(key="param_stop").set_value("##\nEND").run()
    visit.at.text_area(key="system_prompt").set_value("Be brief.").run()
    visit.ask("Why?")
    assert server.requests[-1].params == UNUSUAL
    assert server.requests[-1].messages[0].content == "Be brief."


def test_every_slider_explains_itself(server: Server) -> None:
    visit = Visit(server)
    assert len(visit.at.slider) == len(SLIDERS)
    assert all(slider.help for slider in visit.at.slider)


def save_preset(visit: Visit, name: str) -> None:
    visit.at.text_input(key="preset_name").set_value(name).run()
    visit.click_label("Save")


def test_preset_is_saved_loaded_and_deleted(server: Server) -> None:
    visit = Visit(server).set_slider("temperature", 0.35)
    visit.at.text_area(key="system_prompt").set_value("Be brief.").run()
    save_preset(visit, " Terse ")
    assert [preset.name for preset in server.services.history.presets.list(OWNER)] == ["Terse"]

    other = Visit(server)
    other.at.selectbox(key="preset_choice").select("Terse").run()
    assert other.at.slider(key="param_temperature").value == 0.35
    assert other.at.text_area(key="system_prompt").value == "Be brief."
    assert other.at.text_input(key="preset_name").value == "Terse"

    other.click_label("Delete Terse")
    assert server.services.history.presets.list(OWNER) == []
    assert other.at.selectbox(key="preset_choice").value is None
    assert not other.at.exception


def test_preset_of_the_same_name_is_replaced(server: Server) -> None:
    visit = Visit(server)
    save_preset(visit, "Mine")
    save_preset(visit.set_slider("top_k", 5), "Mine")
    assert [preset.params.top_k for preset in server.services.history.presets.list(OWNER)] == [5]


def test_preset_without_a_name_cannot_be_saved(server: Server) -> None:
    visit = Visit(server)
    visit.at.text_input(key="preset_name").set_value("   ").run()
    assert next(button for button in visit.at.button if button.label == "Save").disabled


def test_name_of_a_preset_is_no_markdown(server: Server) -> None:
    server.services.history.presets.save(OWNER, "![x](http://x/y.png)", GenerationParams(), "")
    visit = Visit(server)
    visit.at.selectbox(key="preset_choice").select("![x](http://x/y.png)").run()
    labels = [button.label for button in visit.at.button]
    assert r"Delete \!\[x\]\(http\:\/\/x\/y\.png\)" in labels


def test_preset_deleted_elsewhere_is_said(server: Server) -> None:
    save_preset(Visit(server), "Mine")
    visit = Visit(server)
    visit.at.selectbox(key="preset_choice").select("Mine").run()
    server.services.history.presets.delete(OWNER, "Mine")
    visit.at.run()
    assert not visit.at.exception and not visit.at.error
    assert "Delete Mine" not in visit.labels()


def test_sliders_keep_their_values_over_a_visit_to_another_page(server: Server) -> None:
    visit = Visit(server).set_slider("temperature", 0.35)
    visit.at.switch_page(OVERVIEW_PAGE).run()
    visit.at.switch_page(CHAT_PAGE).run()
    visit.ask("Why?")
    assert visit.at.slider(key="param_temperature").value == 0.35
    assert server.requests[-1].params.temperature == 0.35
