"""A dry run says what the run then does, leaves nothing behind and refuses what the run would refuse."""

import json
from dataclasses import replace

import pytest
from filelock import FileLock

from glmcore.core.errors import ConfigError, DataError, JobError, NotEnoughMemoryError, StorageError
from glmcore.core.settings import Settings
from glmcore.models.places.devices import Device
from glmcore.tuning.planning import outline
from glmcore.tuning.planning.dry_run import dry_run
from tests.tuning.cases import slow_but
from tests.tuning.running import BASES, job_file, read_json, run, write_rows

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = {"validation_share": 0.25, "evaluate_every_steps": 2, "num_train_epochs": 1}


def dry(folder, base="llama", method="lora", overrides=(), **values):
    job = job_file(folder, base, method, **values)
    return dry_run(job, Settings(home=folder, allow_hub=False), lambda stage, share: None, overrides)


@pytest.mark.parametrize("base", slow_but(["chatglm", "llama"], BASES))
def test_what_is_said_is_what_the_run_does(tmp_path, base):
    found = dry(tmp_path, base, **SIZES)
    assert not (tmp_path / "run").exists() and not found.problems
    done = run(tmp_path, base, **SIZES)
    report = read_json(tmp_path / "run" / "data_report.json")
    assert json.loads(json.dumps(found.report.to_dict())) == report
    results = read_json(tmp_path / "run" / "results.json")
    assert found.steps.total == done.step == results["step"]
    assert found.memory.num_trainable in results.values()
    assert (tmp_path / "run" / "job.yaml").read_text(encoding="utf-8") == found.job
    longest = max(len(row.pieces) for row in found.preview)
    assert 0 < longest <= found.memory.tokens < 96 + 24


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_text_has_every_part(tmp_path, language):
    found = dry(tmp_path, overrides=["seed=7"], **SIZES)
    text = found.text(language)
    assert "method: lora" in text and "train.jsonl" in text and "⟦" in text
    assert f"{found.memory.num_trainable:,}" in text
    assert text.rstrip().endswith("seed=7")
    assert text.count("== ") == 6


def test_too_little_memory_or_disk_is_said_beside_the_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(outline, "describe_devices", lambda: [Device("cpu", "", 1000, 1000)])
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    found = dry(tmp_path)
    assert [type(problem) for problem in found.problems] == [NotEnoughMemoryError, StorageError]
    lines = found.text("en").splitlines()
    assert lines[-2:] == [str(problem) for problem in found.problems]


def test_it_refuses_what_the_run_would_refuse(tmp_path):
    with pytest.raises(ConfigError, match="lower one"):
        dry(tmp_path, max_input_length=100_000)
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"prompt": "", "response": ""}\n')
    with pytest.raises(DataError, match="nothing in it can be learnt"):
        dry(tmp_path, train_file=empty)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds files that no run wrote"):
        dry(tmp_path)


def test_a_folder_of_another_run_is_refused_and_that_of_the_same_is_not(tmp_path):
    values = {"max_steps": 2, "train_file": write_rows(tmp_path / "train.jsonl")}
    run(tmp_path, **values)
    with pytest.raises(ConfigError, match="finished at step 2"):
        dry(tmp_path, **values)
    values["max_steps"] = 4
    assert dry(tmp_path, **values).steps.total == 4
    with pytest.raises(ConfigError, match="other settings"):
        dry(tmp_path, **values, lora_rank=5)
    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(JobError, match="in use by another run"):
        dry(tmp_path, **values)


def test_the_notes_of_job_and_model_are_told(tmp_path):
    job = replace(job_file(tmp_path, "chatglm2"), notes=())
    settings = Settings(home=tmp_path, allow_hub=False)
    found = dry_run(job, settings, lambda stage, share: None)
    assert any("pickle" in note.text for note in found.notes)
    assert "! The weights are a pickle" in found.text("en")
