"""Jobs of 2023: whole scripts, as JSON and as flags."""

import json
from pathlib import Path

import pytest

from glmcore.tuning.job_config import JobConfig, JobConfigError, JobFile, flat_values, parse_job, read_job
from glmcore.tuning.job_config.old_names import CONVERTED, DEFAULTS_OF_2023, IGNORED, RENAMED

KNOWN = flat_values(JobConfig())
TRAIN = {
    "do_train": True,
    "train_file": "AdvertiseGen/train.json",
    "validation_file": "AdvertiseGen/dev.json",
    "prompt_column": "content",
    "response_column": "summary",
    "overwrite_cache": True,
    "model_name_or_path": "THUDM/chatglm-6b",
    "output_dir": "output/adgen-chatglm-6b-pt-128-2e-2",
    "overwrite_output_dir": True,
    "max_source_length": 64,
    "max_target_length": 64,
    "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1,
    "gradient_accumulation_steps": 16,
    "predict_with_generate": True,
    "max_steps": 3000,
    "logging_steps": 10,
    "save_steps": 1000,
    "learning_rate": 2e-2,
    "pre_seq_len": 128,
    "quantization_bit": 4,
}
TRANSLATED = {
    "base_model": "THUDM/chatglm-6b",
    "method": "ptuning_v2",
    "num_virtual_tokens": 128,
    "quantization_bits": 4,
    "train_file": Path("AdvertiseGen/train.json"),
    "validation_file": Path("AdvertiseGen/dev.json"),
    "prompt_column": "content",
    "response_column": "summary",
    "max_input_length": 64,
    "max_output_length": 64,
    "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1,
    "gradient_accumulation_steps": 16,
    "predict_with_generate": True,
    "max_steps": 3000,
    "learning_rate": 0.02,
    "save_every_steps": 1000,
    "log_every_steps": 10,
    "evaluate_every_steps": 0,
    "keep_checkpoints": 0,
    "output_dir": Path("output/adgen-chatglm-6b-pt-128-2e-2"),
}


def old(**changes: object) -> JobFile:
    return parse_job({**TRAIN, **changes}, "train.json")


def without_prefix(**changes: object) -> JobFile:
    return parse_job({**{name: TRAIN[name] for name in TRAIN if name != "pre_seq_len"}, **changes}, "ds.json")


def texts(job: JobFile) -> str:
    return "\n".join(note.text for note in job.notes)


def test_a_whole_script_as_one_json_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "AdvertiseGen").mkdir()
    for name in ("train.json", "dev.json"):
        (tmp_path / "AdvertiseGen" / name).touch()
    (tmp_path / "args.json").write_text(json.dumps(TRAIN), encoding="utf-8")
    job = read_job(Path("args.json"))
    assert flat_values(job.config) == {**KNOWN, **TRANSLATED}
    assert "pre_seq_len → num_virtual_tokens" in texts(job)
    assert "Without a meaning today: do_train, overwrite_cache, overwrite_output_dir." in texts(job)


def test_a_whole_script_as_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "AdvertiseGen").mkdir()
    for name in ("train.json", "dev.json"):
        (tmp_path / "AdvertiseGen" / name).touch()
    flags = [
        part
        for name, value in TRAIN.items()
        for part in ([f"--{name}"] if value is True else [f"--{name}", str(value)])
    ]
    assert flat_values(read_job(None, flags).config) == {**KNOWN, **TRANSLATED}


def test_without_a_prefix_every_weight_is_tuned_as_main_did() -> None:
    job = without_prefix(quantization_bit=None, fp16=True, deepspeed="deepspeed.json", local_rank=0)
    assert job.config.tuning.method == "full"
    assert job.config.model.quantization_bits is None
    assert job.config.training.precision == "fp16"
    assert "configs/accelerate/deepspeed_zero2.yaml" in texts(job)


def test_what_an_old_job_leaves_out_is_what_main_took() -> None:
    job = parse_job({"model_name_or_path": "m", "train_file": "a.json", "pre_seq_len": 8}, "old.json")
    values = flat_values(job.config)
    assert {name: values[name] for name in DEFAULTS_OF_2023} == DEFAULTS_OF_2023
    assert "gradient_accumulation_steps=1" in texts(job)


def test_a_job_of_today_may_name_the_model_the_old_way() -> None:
    job = parse_job({"model_name_or_path": "m", "method": "lora"}, "job.yaml")
    assert job.config.tuning.method == "lora"
    assert job.config.training.gradient_accumulation_steps == 4
    assert parse_job({"model_name_or_path": "m", "lora_rank": 4}, "job.yaml").config.tuning.method == "lora"


def test_a_script_for_prediction_needs_rows_to_answer_only(tmp_path: Path) -> None:
    rows, prefix = tmp_path / "dev.json", tmp_path / "checkpoint-3000"
    rows.touch()
    prefix.mkdir()
    flags = ["--do_predict", "--model_name_or_path=m", "--pre_seq_len=128", "--quantization_bit=4"]
    flags += [f"--test_file={rows}", f"--ptuning_checkpoint={prefix}", "--val_max_target_length=32"]
    config = read_job(None, flags, needs="test_file").config
    assert (config.model.adapter_path, config.evaluation.max_new_tokens) == (prefix, 32)
    with pytest.raises(JobConfigError, match="train_file: no file is named"):
        read_job(None, flags)


@pytest.mark.parametrize(
    ("name", "value", "today", "translated"),
    [
        ("fp16", False, "precision", "auto"),
        ("bf16", "true", "precision", "bf16"),
        ("fp16_full_eval", True, "precision", "fp16"),
        ("no_cuda", True, "device", "cpu"),
        ("report_to", "tensorboard", "tensorboard", True),
        ("report_to", ["wandb", "tensorboard"], "tensorboard", True),
        ("report_to", "none", "tensorboard", False),
        ("metric_for_best_model", "eval_bleu-4", "best_metric", "bleu-4"),
        ("max_steps", -1, "max_steps", None),
        ("max_steps", "-1", "max_steps", None),
        ("warmup_ratio", 0.1, "warmup_steps", 0.1),
        ("save_total_limit", 2, "keep_checkpoints", 2),
        ("eval_steps", 50, "evaluate_every_steps", 50),
        ("evaluation_strategy", "no", "evaluate_every_steps", 0),
        ("evaluation_strategy", "steps", "evaluate_every_steps", 100),
        ("generation_num_beams", 4, "num_beams", 4),
        ("pre_seq_len", None, "num_virtual_tokens", 128),
    ],
)
def test_one_old_name(name: str, value: object, today: str, translated: object) -> None:
    assert flat_values(parse_job({name: value}, "old.json").config)[today] == translated


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (
            {"pre_seq_len": 64, "num_virtual_tokens": 128},
            "tokens: this is given as pre_seq_len too",
        ),
        ({"fp16": True, "bf16": True}, "bf16: this is given as fp16 too"),
        ({"fp16": "maybe"}, "fp16: found 'maybe', expected true or false"),
        ({"evaluation_strategy": "epoch"}, "expected steps"),
        ({"pre_seq_len": "many"}, "pre_seq_len: found 'many', expected a whole number"),
        ({"quantization_bit": 3}, "quantization_bit: found 3, expected one of 8, 4"),
        ({"adam_beta1": 0.8}, "unknown key 'adam_beta1'"),
    ],
)
def test_what_is_wrong_is_said_by_the_name_given(values: dict[str, object], part: str) -> None:
    with pytest.raises(JobConfigError) as caught:
        parse_job(values, "old.json")
    assert len(caught.value.problems) == 1 and part in str(caught.value)


def test_the_same_value_under_both_names_is_none() -> None:
    assert old(num_virtual_tokens=128).config.tuning.num_virtual_tokens == 128


def test_an_argument_by_an_old_name_wins_over_the_file(tmp_path: Path) -> None:
    rows, path = tmp_path / "a.jsonl", tmp_path / "job.yaml"
    rows.touch()
    path.write_text(f"train_file: {rows}\nnum_virtual_tokens: 16\n", encoding="utf-8")
    tuning = read_job(path, ["--pre_seq_len", "64"]).config.tuning
    assert (tuning.method, tuning.num_virtual_tokens) == ("ptuning_v2", 64)


def test_old_names_lead_to_fields_and_are_listed_once() -> None:
    assert set(RENAMED.values()) | set(DEFAULTS_OF_2023) <= set(KNOWN)
    assert not IGNORED & (set(KNOWN) | set(RENAMED) | set(CONVERTED))
    assert not set(RENAMED) & (set(KNOWN) | set(CONVERTED))
