"""A written job is read as the same job, and explains itself."""

import random
import stat
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import pytest
import yaml

from glmcore.core.errors import StorageError
from glmcore.tuning.job_config import (
    SECTIONS,
    JobConfig,
    field_help,
    flat_values,
    format_fields,
    job_fields,
    job_text,
    parse_job,
    write_job,
)
from glmcore.tuning.job_config.file_values import read_values

HARD_TEXTS = [
    "", " ", " leading", "trailing ", "null", "~", "1e3", "no", "true", "010", "2024-01-01", "a: b", "a #b",
    "#", "- a", "[a, b]", "{a}", "*a", "&a", "!a", "'", '"', "a'b\"c\\d", "two\nlines", "\n", "a\n", "\r\n",
    "\ttab", "问题：回答", "😀", "\x07", "\x85", "\u2028", "\ufeffmark", "a, b", "%d", "@", "`", "=", "<<",
    "---", "...", "? a", "x" * 5000, "long " * 200, "\u3000宽",
]  # fmt: skip
NAMES = [text for text in HARD_TEXTS if text]
HARD_PATHS = ["a b/c", "数据/训练.jsonl", "/a: b#c", "..", "null", "-", "a'b", "a\nb", "1e3", " x "]


def saved(config: JobConfig, folder: Path) -> JobConfig:
    path = folder / "job.yaml"
    path.write_text(job_text(config, "python -m glmcore train job.yaml"), encoding="utf-8")
    values, problems = read_values(path)
    assert not problems and set(values) == set(flat_values(config))
    return parse_job(values, str(path)).config


def with_values(values: dict[str, Any]) -> JobConfig:
    config = JobConfig()
    for section in fields(JobConfig):
        part = getattr(config, section.name)
        changes = {entry.name: values[entry.name] for entry in fields(part) if entry.name in values}
        config = replace(config, **{section.name: replace(part, **changes)})
    return config


def random_value(entry: Any, chance: random.Random) -> Any:
    """Any value that the field may have."""
    meta = entry.metadata
    kind = get_args(entry.type)[0] if get_origin(entry.type) is UnionType else entry.type
    if kind is not entry.type and chance.random() < 0.3:
        return None
    if meta["choices"]:
        return chance.choice(meta["choices"])
    low, high = meta["low"] or 0, meta["high"] or 10**9
    makers = {
        bool: lambda: chance.random() < 0.5,
        int: lambda: chance.randint(int(low), int(high)),
        float: lambda: min(high, low + (high - low) * 10 ** -chance.uniform(0, 20)),
        Path: lambda: Path(chance.choice(HARD_PATHS)),
        str: lambda: chance.choice(HARD_TEXTS),
        tuple[str, ...]: lambda: tuple(chance.choices(NAMES, k=chance.randint(0, 3))),
    }
    return makers[kind]()


@pytest.mark.parametrize("seed", range(12))
def test_random_jobs_come_back_as_they_were(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    values = {entry.name: random_value(entry, chance) for _, entry in job_fields()}
    config = with_values(values)
    assert flat_values(config) == values
    assert saved(config, tmp_path) == config


def test_hard_texts_and_paths_come_back_as_they_were(tmp_path: Path) -> None:
    for text in HARD_TEXTS:
        config = with_values(
            {"source_prefix": text, "prompt_column": text, "lora_targets": (text or "a", "b")}
        )
        assert saved(config, tmp_path) == config, repr(text)
    for path in map(Path, HARD_PATHS):
        config = with_values({"train_file": path})
        assert saved(config, tmp_path) == config, path


def test_other_readers_of_yaml_see_the_same_values() -> None:
    found = yaml.safe_load(job_text(JobConfig()))
    expected = {name: list(v) if isinstance(v, tuple) else v for name, v in flat_values(JobConfig()).items()}
    assert found == expected


def test_a_file_begins_with_its_command_and_explains_every_field() -> None:
    text = job_text(JobConfig(), "python -m glmcore train 任务.yaml\nsecond\u2028line\x07")
    assert text.startswith("# python -m glmcore train 任务.yaml\n# second\n# line?\n")
    for section, entry in job_fields():
        assert f"# ---- {SECTIONS[section]} ----\n" in text
        assert f"# {field_help(entry)}\n{entry.name}: " in text


def test_every_field_has_help_a_section_and_a_name_of_its_own() -> None:
    names = [entry.name for _, entry in job_fields()]
    assert len(names) == len(set(names))
    assert [section.name for section in fields(JobConfig)] == list(SECTIONS)
    assert not set(names) & set(SECTIONS)
    for _, entry in job_fields():
        assert 10 < len(entry.metadata["help"]) < 110 and "\n" not in entry.metadata["help"], entry.name


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_help_of_the_terminal_names_everything(language: str) -> None:
    text = format_fields(language)
    for _, entry in job_fields():
        assert f"\n  {entry.name}=" in text
        for choice in entry.metadata["choices"]:
            assert str(choice) in text
    assert "max_steps=null" in text and "learning_rate=0.0002" in text


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "job.yaml"
    write_job(JobConfig(), path, "command")
    assert path.read_text(encoding="utf-8") == job_text(JobConfig(), "command")
    assert stat.S_IMODE(path.stat().st_mode) & 0o400

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        write_job(with_values({"seed": 1}), path)
    assert path.read_text(encoding="utf-8") == job_text(JobConfig(), "command")
    assert [entry.name for entry in path.parent.iterdir()] == ["job.yaml"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        write_job(JobConfig(), tmp_path / "file" / "job.yaml")
