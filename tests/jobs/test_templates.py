"""Job files to start from, and job files from anywhere read as far as they can be."""

from pathlib import Path

import pytest

from glmcore.core.errors import ConfigError, NotFoundError, StorageError
from glmcore.core.settings import Settings
from glmcore.jobs.templates import SHIPPED, Templates, read_job_text


@pytest.fixture
def templates(settings: Settings) -> Templates:
    return Templates(settings)


def said(problems: tuple[ConfigError, ...]) -> str:
    return " ".join(map(str, problems))


def test_every_shipped_job_file_is_offered_and_can_be_read_without_its_data(templates: Templates) -> None:
    found = templates.list()
    assert found[0].name == "demo" and {one.name for one in found} == {p.stem for p in SHIPPED.glob("*.yaml")}
    for template in found:
        read = templates.read(template.name)
        assert not read.problems and read.values["train_file"] and template.description, template.name
        assert not template.is_own


def test_own_ones_are_kept_replaced_on_request_and_deleted(templates: Templates) -> None:
    kept = templates.save(" my job ", "# For letters,\n# both kinds.\n\n# more\nlora_rank: 4\n")
    assert (kept.name, kept.is_own, kept.description) == ("my job", True, "For letters, both kinds.")
    assert templates.list()[-1] == kept
    with pytest.raises(ConfigError, match="already"):
        templates.save("my job", "lora_rank: 5\n")
    assert templates.read("my job").values == {"lora_rank": 4}
    templates.save("my job", "lora_rank: 5\n", replace=True)
    assert templates.read("my job").config.tuning.lora_rank == 5
    templates.delete("my job")
    assert not list(templates.folder.iterdir())
    with pytest.raises(NotFoundError):
        templates.read("my job")


@pytest.mark.parametrize("name", ["", "  ", "../x", "a/b", ".hidden", "a\0", "x" * 61, "a\nb", "demo"])
def test_a_name_leads_nowhere_else_and_hides_nothing(templates: Templates, name: str) -> None:
    with pytest.raises(ConfigError):
        templates.save(name, "lora_rank: 4\n")
    assert not templates.folder.exists()


def test_shipped_ones_stay(templates: Templates) -> None:
    with pytest.raises(ConfigError, match="stays"):
        templates.delete("demo")
    assert (SHIPPED / "demo.yaml").exists()


def test_a_disk_that_refuses_is_said(templates: Templates) -> None:
    templates.folder.parent.mkdir(parents=True)
    templates.folder.write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        templates.save("mine", "lora_rank: 4\n")


def test_what_can_be_read_is_taken_and_all_problems_are_said() -> None:
    read = read_job_text(
        "lora_rank: 4\nlora_rnak: 3\nlearning_rate: fast\nmethod: lara\nseed: 7\n", "up.yaml"
    )
    assert read.values == {"lora_rank": 4, "seed": 7}
    assert len(read.problems) == 3 and "did you mean 'lora_rank'" in said(read.problems)
    assert "up.yaml: learning_rate" in said(read.problems)


def test_names_of_2023_are_translated_and_told() -> None:
    text = "model_name_or_path: THUDM/chatglm-6b\npre_seq_len: 64\nmax_source_length: 32\n"
    read = read_job_text(text, "ptuning.yaml")
    assert read.values["method"] == "ptuning_v2" and read.values["num_virtual_tokens"] == 64
    assert read.values["base_model"] == "THUDM/chatglm-6b" and read.values["max_input_length"] == 32
    assert any("pre_seq_len" in note.text for note in read.notes) and not read.problems


def test_two_names_for_one_thing_leave_the_first() -> None:
    read = read_job_text("pre_seq_len: 3\nnum_virtual_tokens: 4\nlora_rank: 5\n", "up.yaml")
    assert read.values["num_virtual_tokens"] == 3 and read.values["lora_rank"] == 5
    assert "another value" in said(read.problems)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "- a\n",
        "\0",
        "x" * 100_000,
        "[" * 500,
        "{",
        "a: &a [*a]\n",
        "!!python/name:os 3",
        "? [a]\n: b",
    ],
)
def test_hostile_text_is_a_problem_and_nothing_else(text: str) -> None:
    read = read_job_text(text, "up.yaml")
    assert read.problems and not read.values


def test_a_file_that_is_no_text_is_read_as_far_as_it_goes(templates: Templates) -> None:
    templates.folder.mkdir(parents=True)
    Path(templates.folder / "odd.yaml").write_bytes(b"# \xff\nlora_rank: \xff\n")
    assert templates.read("odd").problems
