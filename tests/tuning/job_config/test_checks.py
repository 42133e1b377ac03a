"""Fields that contradict each other, and files that are not there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glmcore.tuning.job_config import JobConfig, check_files, check_job, parse_job
from glmcore.tuning.job_config.checks import USUAL_LEARNING_RATES


def job(**values: Any) -> JobConfig:
    return parse_job({"train_file": "rows.jsonl", **values}, "").config


def problems(**values: Any) -> list[str]:
    return [str(problem) for problem in check_job(job(**values))[0]]


def warnings(**values: Any) -> list[str]:
    found, notes = check_job(job(**values))
    assert not found
    return [note.text for note in notes]


@pytest.mark.parametrize("method", USUAL_LEARNING_RATES)
def test_usual_jobs_have_no_problem_and_no_warning(method: str) -> None:
    assert warnings(method=method, learning_rate=USUAL_LEARNING_RATES[method]) == []


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"train_file": None}, "train_file: no file is named"),
        ({"train_file": "rows.jsnl"}, "train_file: rows.jsnl has an unknown ending; did you mean .json"),
        ({"test_file": "rows"}, "expected one of .jsonl .json .csv .parquet"),
        ({"method": "full", "quantization_bits": 4}, "quantization_bits: quantized weights cannot be tuned"),
        ({"method": "full", "adapter_path": "old"}, "adapter_path: method full tunes the base model alone"),
        ({"num_train_epochs": 0}, "num_train_epochs: nothing is learnt in 0 passes"),
        ({"best_metric": "bleu-4"}, "best_metric: bleu-4 needs answers; set predict_with_generate"),
        ({"evaluate_every_steps": 0, "plateau_evaluations": 2}, "plateau_evaluations: nothing is"),
        (
            {"evaluate_every_steps": 0, "predict_with_generate": True, "best_metric": "chrf"},
            "best_metric: nothing is ever evaluated",
        ),
        ({"validation_share": 0}, "validation_share: there are no rows to evaluate on"),
        ({"device": "cpu", "precision": "fp16"}, "precision: a CPU does not compute in fp16"),
        ({"device": "cuda:1", "num_processes": 2}, "2 processes cannot share the one GPU cuda:1"),
        ({"device": "gpu"}, "device: found 'gpu', expected auto, cpu, cuda"),
        ({"messages_column": "m", "history_column": "h"}, "history_column: messages_column holds whole"),
        ({"messages_column": "m", "prompt_column": "p"}, "prompt_column: messages_column holds whole"),
        ({"encoding": "utf9"}, "encoding: there is no encoding 'utf9'"),
        ({"encoding": "rot13"}, "there is no encoding 'rot13'"),
    ],
)
def test_what_cannot_work_is_a_problem(values: dict[str, Any], part: str) -> None:
    found = problems(**values)
    assert len(found) == 1 and part in found[0]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"method": "ptuning_v2", "learning_rate": 2e-2, "lora_rank": 4}, "ptuning_v2: lora_rank."),
        (
            {"num_virtual_tokens": 4, "prefix_projection": True},
            "num_virtual_tokens, prefix_projection.",
        ),
        ({"learning_rate": 0.1}, "learning_rate is 0.1; usual for lora is about 0.0002"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"method": "ptuning_v2", "learning_rate": 2e-4}, "usual for ptuning_v2 is about 0.02"),
        ({"save_every_steps": 150}, "save_every_steps (150) is no multiple of evaluate_every_steps (100)"),
        ({"max_steps": 200, "warmup_steps": 300}, "warmup_steps is 300.0, max_steps 200"),
        ({"max_steps": 50}, "Only the last step is saved: max_steps is 50, save_every_steps 100"),
    ],
)
def test_what_looks_odd_is_a_warning(values: dict[str, Any], part: str) -> None:
    found = warnings(**values)
    assert len(found) == 1 and part in found[0]


@pytest.mark.parametrize(
    "values",
    [
        {"save_every_steps": 150, "evaluate_every_steps": 0},
        {"save_every_steps": 200, "evaluate_every_steps": 50},
        {"max_steps": 200, "warmup_steps": 0.5},
        {"method": "full", "learning_rate": 1e-4},
        {"learning_rate": 5e-4},
        {"validation_share": 0, "validation_file": "rows.CSV"},
        {"quantization_bits": 4, "adapter_path": "old"},
        {"device": "cpu", "num_processes": 2, "precision": "bf16"},
    ],
)
def test_what_is_in_order_is_left_alone(values: dict[str, Any]) -> None:
    assert warnings(**values) == []


def test_a_place_names_the_file() -> None:
    problem = check_job(JobConfig(), "a.yaml")[0][0]
    assert str(problem).startswith("a.yaml: train_file: ")


def test_prediction_needs_its_own_file() -> None:
    config = job(train_file=None, test_file="rows.jsonl")
    assert check_job(config, needs="test_file")[0] == []
    assert "test_file: no file is named" in str(check_job(job(), needs="test_file")[0][0])


def test_missing_files_are_named_with_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    config = job(
        train_file=str(tmp_path / "row.jsonl"),
        validation_file=str(tmp_path),
        test_file=str(tmp_path / "no" / "rows.jsonl"),
        output_dir=str(tmp_path / "rows.jsonl"),
        adapter_path=str(tmp_path / "adapter"),
        accelerate_config=str(tmp_path / "ddp.yaml"),
    )
    found = [str(problem) for problem in check_files(config, "a.yaml")]
    for line, part in zip(
        found,
        [
            f"a.yaml: train_file: there is no {tmp_path}/row.jsonl; did you mean {tmp_path}/rows.jsonl?",
            f"validation_file: {tmp_path} is a folder, expected a file",
            f"test_file: there is no {tmp_path}/no/rows.jsonl, as there is no folder {tmp_path}/no",
            "accelerate_config: there is no",
            "adapter_path: there is no",
            f"output_dir: {tmp_path}/rows.jsonl is a file, expected a folder",
        ],
        strict=True,
    ):
        assert part in line
    assert check_files(config, needs="test_file")[0].values["place"].key == "test_file"


def test_files_that_are_there_are_no_problem(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    config = job(train_file=str(tmp_path / "rows.jsonl"), output_dir=str(tmp_path / "new"))
    assert check_files(config) == []
    too_long = replace(config, data=replace(config.data, train_file=Path("a" * 5000)))
    assert len(check_files(too_long)) == 1
