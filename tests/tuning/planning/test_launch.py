"""The command that starts a run, in one process or in several."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from glmcore.tuning.job_config import DeviceConfig, JobConfig
from glmcore.tuning.planning.launch import launch_command, needs_launcher, shown

FILE = Path("my jobs/job.yaml")
CONFIG = Path("configs/accelerate/fsdp.yaml")


def job_on(**values):
    return JobConfig(devices=DeviceConfig(**values))


def test_one_process_is_the_train_command():
    argv, environment = launch_command(job_on(), FILE, ["lora_rank=4"])
    assert argv == [sys.executable, "-m", "glmcore", "train", str(FILE), "lora_rank=4"]
    assert environment == {} and not needs_launcher(job_on())
    assert launch_command(job_on(), None, ["seed=1"])[0][3:] == ["train", "seed=1"]


def test_one_gpu_of_several_is_the_only_one_that_is_seen(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    job = job_on(device="cuda:1")
    argv, environment = launch_command(job, FILE, ["device=cuda:1"])
    assert environment == {"CUDA_VISIBLE_DEVICES": "1"} and needs_launcher(job)
    assert argv[-1] == "device=cuda"  # the last one counts
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert launch_command(job, FILE)[1] == {"CUDA_VISIBLE_DEVICES": "6"}


def test_several_processes_on_a_cpu_are_started_by_torch():
    job = job_on(device="cpu", num_processes=2, accelerate_config=CONFIG)
    argv, environment = launch_command(job, FILE)
    assert argv[1:3] == ["-m", "torch.distributed.run"] and needs_launcher(job)
    assert argv[-5:] == ["--nproc_per_node", "2", "-m", "glmcore.tuning.run", str(FILE)]
    assert "--standalone" in argv  # which finds a free port
    assert environment["ACCELERATE_USE_CPU"] == "true"
    assert int(environment["OMP_NUM_THREADS"]) == max(1, (os.cpu_count() or 1) // 2)


def test_several_gpus_without_a_file_repeat_the_model():
    argv, environment = launch_command(job_on(num_processes=4), FILE)
    assert argv[1:3] == ["-m", "torch.distributed.run"] and "ACCELERATE_USE_CPU" not in environment


@pytest.mark.parametrize("count", [1, 4])
def test_a_file_of_accelerates_goes_to_its_launcher(count):
    job = job_on(num_processes=count, accelerate_config=CONFIG)
    argv, environment = launch_command(job, FILE, ["seed=1"])
    assert argv[:3] == [sys.executable, "-m", "accelerate.commands.launch"] and needs_launcher(job)
    assert environment == {}
    from accelerate.commands.launch import launch_command_parser

    told = launch_command_parser().parse_args(argv[3:])
    assert (told.config_file, told.num_processes, told.main_process_port) == (str(CONFIG), count, 0)
    assert told.module and told.training_script == "glmcore.tuning.run"
    assert told.training_script_args == [str(FILE), "seed=1"]


def test_a_command_is_shown_as_one_would_type_it():
    argv, environment = launch_command(job_on(device="cuda:3"), FILE, ["train_file=a b.csv"])
    text = shown(argv, environment)
    assert text.startswith("CUDA_VISIBLE_DEVICES=3 ")
    assert shlex.split(text)[1:] == argv
