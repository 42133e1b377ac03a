from pathlib import Path

import pytest

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config import Place, flat_values, parse_job
from glmcore.ui.training.new_job.draft import FIELDS, Draft, place_of


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    return path


def places(problems: list[ConfigError]) -> list[str]:
    return [place_of(problem) for problem in problems]


def test_draft_becomes_the_job_that_a_file_with_its_values_is(rows: Path) -> None:
    draft = Draft()
    draft.set(train_file=str(rows), lora_rank="16", lora_targets="q_proj, v_proj", max_steps=None)
    config, problems, _warnings = draft.to_config()
    text = {"train_file": str(rows), "lora_rank": 16, "lora_targets": ["q_proj", "v_proj"]}
    assert config == parse_job(text, "").config and not problems


def test_all_problems_are_told_at_once_each_with_its_field(tmp_path: Path) -> None:
    draft = Draft()
    draft.set(train_file=str(tmp_path / "gone.csv"), lora_rank=0, seed="many", best_metric="bleu-4")
    config, problems, _warnings = draft.to_config()
    assert config is None
    assert sorted(places(problems)) == ["best_metric", "lora_rank", "seed", "train_file"]


def test_a_readable_job_with_problems_can_be_shown_still() -> None:
    config, problems, _warnings = Draft().to_config()
    assert config is not None and places(problems) == ["train_file"]


@pytest.mark.parametrize("value", ["\0", "\ud800", "x" * 5000, "{}", "~nobody/rows.csv", "a\nb.csv"])
def test_hostile_paths_are_problems_and_no_tracebacks(value: str) -> None:
    draft = Draft()
    draft.set(train_file=value, base_model=value, lora_targets=value, encoding=value)
    _config, problems, _warnings = draft.to_config()
    assert "train_file" in places(problems)


def test_another_method_brings_its_usual_learning_rate() -> None:
    draft = Draft()
    draft.set(method="ptuning_v2")
    assert draft.values["learning_rate"] == 2e-2
    draft.set(method="full")
    assert draft.values["learning_rate"] == draft.default("learning_rate") == 2e-5


def test_a_learning_rate_that_somebody_set_stays() -> None:
    draft = Draft()
    draft.set(learning_rate=1e-3)
    draft.set(method="ptuning_v2")
    assert draft.values["learning_rate"] == 1e-3
    draft.reset("learning_rate")
    assert draft.values["learning_rate"] == 2e-2


def test_values_of_another_method_wait_and_are_no_part_of_the_job(rows: Path) -> None:
    draft = Draft()
    draft.set(train_file=str(rows), lora_rank=32, quantization_bits=4, method="full")
    config, problems, warnings = draft.to_config()
    assert config is not None and not problems and not warnings
    assert config.tuning.lora_rank == 8 and config.model.quantization_bits is None
    draft.set(method="lora")
    found, _problems, _warnings = draft.to_config()
    assert found is not None and found.tuning.lora_rank == 32


def test_an_emptied_field_is_its_default_again() -> None:
    draft = Draft()
    draft.set(base_model="", prompt_column="", lora_targets="", max_steps=None)
    assert draft.values == Draft().values


def test_name_is_made_of_method_and_data_until_one_is_given() -> None:
    draft = Draft()
    assert draft.job_name == "lora"
    draft.set(train_file="data/letters.csv", method="ptuning_v2")
    assert draft.job_name == "ptuning_v2-letters"
    draft.name = "  mine "
    assert draft.job_name == "mine"


def test_every_field_but_the_folder_has_a_value() -> None:
    everything = flat_values(parse_job({}, "").config)
    assert set(Draft().values) == set(FIELDS) == set(everything) - {"output_dir"}


def test_each_draft_is_a_request_of_its_own() -> None:
    assert Draft().request_id != Draft().request_id


def test_a_value_from_elsewhere_gets_a_widget_that_no_late_message_is_about() -> None:
    draft = Draft()
    draft.take("lora_rank", 16)
    assert draft.key("lora_rank") == "new_job_lora_rank"
    draft.set(lora_rank=32, seed=draft.values["seed"])
    assert draft.key("lora_rank") == "new_job_lora_rank_1" and draft.key("seed") == "new_job_seed"
    draft.take("method", "full")
    assert draft.key("learning_rate") == "new_job_learning_rate_1" and draft.key("method") == "new_job_method"


def test_a_field_that_offers_something_else_gets_another_widget() -> None:
    draft = Draft()
    draft.offer("device", ["CPU"])
    assert draft.key("device") == "new_job_device"
    draft.offer("device", ["CPU"])
    assert draft.key("device") == "new_job_device"
    draft.offer("device", ["处理器"])
    assert draft.key("device") == "new_job_device_1"


def test_of_a_file_that_is_refused_nothing_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("")
    draft = Draft()
    draft.set(train_file=str(tmp_path / "secret.cvs"), validation_share=2)  # which would be a near name
    refusal = ConfigError("{place}: no page reads it.", place=Place("", "train_file"))
    config, problems, _warnings = draft.to_config(lambda job: [refusal])
    assert config is None and [place_of(one) for one in problems] == ["validation_share", "train_file"]
    assert problems[1] is refusal
