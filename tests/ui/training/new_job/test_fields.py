from dataclasses import Field
from typing import Any

import pytest

from glmcore.tuning.job_config import job_fields
from glmcore.ui.text import LANGUAGE_KEY
from glmcore.ui.training.new_job.fields import shown_value
from glmcore.ui.training.new_job.titles import TITLES
from tests.sources import ROOT
from tests.ui.training.new_job.form import Form
from tests.ui.visits import Server

ENTRIES = [entry for _, entry in job_fields() if entry.name != "output_dir"]


@pytest.fixture
def form(server: Server, monkeypatch: pytest.MonkeyPatch) -> Form:
    return Form(server, monkeypatch)


def kind_of(entry: Field[Any], form: Form) -> str:
    widget = form.widget(entry.name)
    return type(widget).__name__ if widget is not None else ""


def test_every_field_has_a_title() -> None:
    assert set(TITLES) == {entry.name for entry in ENTRIES}


def test_values_are_shown_as_people_write_them(server: Server) -> None:
    shown = {value: shown_value("learning_rate", value) for value in (2e-4, 1.25e-5, 0.05, 3.0, None, True)}
    assert list(shown.values()) == ["2e-4", "1.25e-5", "0.05", "3", "not set", "on"]


def test_widgets_fit_their_fields(form: Form) -> None:
    kinds = {entry.name: kind_of(entry, form) for entry in ENTRIES}
    assert kinds["lora_rank"] == kinds["learning_rate"] == kinds["max_steps"] == "NumberInput"
    assert kinds["forgetting_probe"] == "Toggle"
    assert kinds["optim"] == kinds["quantization_bits"] == kinds["gradient_checkpointing"] == "Selectbox"
    assert kinds["lora_targets"] == kinds["accelerate_config"] == "TextInput"
    assert kinds["num_virtual_tokens"] == ""  # of another method
    rank, rate = form.widget("lora_rank"), form.widget("learning_rate")
    assert (rank.min, rank.max, rank.step, rank.value) == (1, 1024, 1, 8)
    assert "`lora_rank`" in rank.help and "LoRA matrices" in rank.help
    assert rate.proto.format == "%e" and rate.step == pytest.approx(1e-4)


def test_method_decides_which_fields_are_there(form: Form) -> None:
    form.choose("method", "ptuning_v2")
    assert form.widget("lora_rank") is None and form.widget("num_virtual_tokens").value == 128
    assert form.widget("learning_rate").value == 2e-2
    assert form.says("forget what it could do before")


def test_a_changed_field_is_marked_and_can_go_back(form: Form) -> None:
    assert form.button("reset_lora_rank") is None
    form.choose("lora_rank", 32)
    assert form.draft.values["lora_rank"] == 32
    assert form.button("reset_lora_rank").label == "Default: 8"
    form.click("reset_lora_rank")
    assert form.widget("lora_rank").value == 8 and form.button("reset_lora_rank") is None
    form.choose("lora_alpha", 64)
    assert "More (1 changed)" in [one.label for one in form.at.expander]


def test_what_is_optional_can_be_left_open_again(form: Form) -> None:
    nothing = {"quantization_bits": "", "gradient_checkpointing": "", "max_steps": None}
    for name, value in (("quantization_bits", 4), ("gradient_checkpointing", True), ("max_steps", 7)):
        form.choose(name, value)
        assert form.draft.values[name] == value
        form.choose(name, nothing[name])
        assert form.draft.values[name] is None and form.widget(name).value == nothing[name]


def test_a_problem_stands_at_its_field(form: Form) -> None:
    form.choose("accelerate_config", str(ROOT / "configs/no-such.yaml")).choose("best_metric", "bleu-4")
    assert form.says("accelerate_config: there is no") and not form.at.exception
    told = [one.value.replace("\\", "") for one in form.at.markdown]
    assert any("best_metric: bleu-4 needs answers" in text for text in told)
    assert any("best_metric: bleu-4 needs answers" in one.value.replace("\\", "") for one in form.at.error)


def test_a_number_that_no_browser_counts_is_shown_as_text(form: Form) -> None:
    for name, value in (("max_steps", 10**18), ("save_every_steps", 2**60), ("warmup_steps", 1e300)):
        form.set(**{name: value})
        assert not form.at.exception and form.widget(name).value == str(value)
        form.choose(name, "12")
        assert form.draft.values[name] == 12 and form.widget(name).value == 12


def test_values_survive_a_visit_to_another_view(form: Form) -> None:
    form.choose("lora_rank", 32).choose("name", "mine")
    form.leave_and_return()
    assert form.widget("lora_rank").value == 32 and form.widget("name").value == "mine"


def test_a_widget_in_another_language_is_another_one(form: Form) -> None:
    """The browser names a choice by its label: one in English would be no choice of a Chinese page."""

    def offered() -> dict[str, list[str]]:
        return {one.key: one.options for one in (*form.at.selectbox, *form.at.button_group)}

    form.ready()
    english = offered()
    form.at.session_state[LANGUAGE_KEY] = "zh"
    form.at.run()
    chinese = offered()
    assert "CPU" in english["new_job_device"] and english.keys() != chinese.keys()
    assert all(english[key] == chinese[key] for key in english.keys() & chinese.keys())


def test_a_fault_in_what_is_folded_away_is_seen_from_outside(form: Form) -> None:
    form.set(weight_decay="much")
    icons = {one.label: one.proto.icon for one in form.at.expander}
    assert ":material/error:" in icons.values()
