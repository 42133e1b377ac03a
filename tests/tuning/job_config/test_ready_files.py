"""The files in configs/: jobs that are in order, and launch files that today's accelerate reads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from glmcore.tuning.job_config import JobConfig, JobFile, check_job, job_fields, parse_job
from glmcore.tuning.job_config.file_values import read_values
from tests.sources import ROOT

JOBS = sorted((ROOT / "configs").glob("*.yaml"))
LAUNCHES = sorted((ROOT / "configs" / "accelerate").glob("*.yaml"))
by_name = pytest.mark.parametrize("path", [*JOBS, *LAUNCHES], ids=lambda path: path.stem)
ROWS = (Path("AdvertiseGen/train.json"), Path("AdvertiseGen/dev.json"))
ADGEN = {"ptuning_v2": (2e-2, 3000, 1, 16), "lora": (5e-4, 3000, 1, 16), "full": (1e-4, 5000, 4, 1)}


def job(name: str) -> JobFile:
    values, problems = read_values(ROOT / "configs" / f"{name}.yaml")
    assert not problems
    return parse_job(values, name)


def test_the_promised_files_are_there() -> None:
    assert {path.stem for path in JOBS} >= {"ptuning_v2", "lora", "full", "demo"}
    assert {path.stem for path in LAUNCHES} == {"ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3"}


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_jobs_have_no_problem_no_warning_and_no_old_name(path: Path) -> None:
    file = job(path.stem)
    assert (*check_job(file.config), file.notes) == ([], (), ())


@pytest.mark.parametrize("method", ADGEN)
def test_published_settings(method: str) -> None:
    config = job(method).config
    training, data = config.training, config.data
    assert config.tuning.method == method
    assert config.model.base_model == "THUDM/chatglm-6b"
    assert (data.train_file, data.test_file) == (
        Path("AdvertiseGen/train.json"),
        Path("AdvertiseGen/dev.json"),
    )
    assert (data.prompt_column, data.response_column) == ("content", "summary")
    assert (data.max_input_length, data.max_output_length) == (64, 64)
    assert ADGEN[method] == (
        training.learning_rate,
        training.max_steps,
        training.per_device_train_batch_size,
        training.gradient_accumulation_steps,
    )


def test_files_named_in_jobs_are_there() -> None:
    launch = job("full").config.devices
    assert launch.accelerate_config is not None and (ROOT / launch.accelerate_config).is_file()
    data = job("demo").config.data
    for path in (data.train_file, data.validation_file, data.test_file):
        assert path is not None and (ROOT / path).is_file()


@by_name
def test_files_say_what_they_are_and_how_to_run_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = text[: text.index("\n\n")]
    assert head.startswith("# ") and all(line.startswith("#") for line in head.splitlines())
    assert re.search(rf"^#   (python -m glmcore|accelerate launch) .*{path.name}", head, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_jobs_name_fields_in_their_order(path: Path) -> None:
    names = list(read_values(path)[0])
    order = [entry.name for _, entry in job_fields()]
    assert names == sorted(names, key=order.index)
    assert JobConfig() != job(path.stem).config


def launch_arguments(path: Path) -> Any:
    """What `accelerate launch` makes of the file."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    command = ["--config_file", str(path), "--num_processes", "3", "-m", "glmcore.tuning.run", "job.yaml"]
    return _validate_launch_command(launch_command_parser().parse_args(command))[0]


@pytest.mark.parametrize("path", LAUNCHES, ids=lambda path: path.stem)
def test_accelerate_reads_the_launch_files(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes >= 2 and config.mixed_precision == "no"
    arguments = launch_arguments(path)
    assert arguments.num_processes == 3
    kinds = (arguments.multi_gpu, arguments.use_fsdp, arguments.use_deepspeed)
    assert kinds == ("ddp" in path.stem[:3], path.stem == "fsdp", path.stem.startswith("deepspeed"))


@pytest.mark.parametrize("path", LAUNCHES, ids=lambda path: path.stem)
def test_every_key_of_a_launch_file_is_an_option_of_accelerate(path: Path) -> None:
    values, arguments = yaml.safe_load(path.read_text(encoding="utf-8")), launch_arguments(path)
    for section in ("fsdp_config", "deepspeed_config"):
        for key, value in values.get(section, {}).items():
            assert str(getattr(arguments, key)) == str(value), key


def test_sizes_and_clipping_of_deepspeed_come_from_the_job() -> None:
    for path in LAUNCHES:
        arguments = launch_arguments(path)
        assert arguments.gradient_accumulation_steps is None and arguments.gradient_clipping is None
