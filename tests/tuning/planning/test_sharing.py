"""What a file of configs/accelerate/ means for memory."""

from dataclasses import replace

import pytest

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config import DeviceConfig, JobConfig
from glmcore.tuning.planning.sharing import Sharing, sharing_of
from tests.sources import ROOT


def job_with(config, **values):
    return JobConfig(devices=DeviceConfig(accelerate_config=config, **values))


def test_one_process_shares_nothing_and_several_repeat_everything():
    assert sharing_of(JobConfig()) == Sharing()
    assert sharing_of(job_with(None, num_processes=3)) == Sharing(copies_gradients=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ddp", Sharing(copies_gradients=True)),
        ("fsdp", Sharing(4, 4, 4)),
        ("deepspeed_zero2", Sharing(1, 4, 4)),
        ("deepspeed_zero3", Sharing(4, 4, 4)),
    ],
)
def test_the_ready_files_are_understood(name, expected):
    config = ROOT / "configs" / "accelerate" / f"{name}.yaml"
    assert sharing_of(job_with(config, num_processes=4)) == expected


def test_an_optimizer_that_is_kept_elsewhere_takes_nothing_here(tmp_path):
    config = tmp_path / "zero.yaml"
    config.write_text(
        "distributed_type: DEEPSPEED\ndeepspeed_config: {zero_stage: 1, offload_optimizer_device: cpu}\n"
    )
    assert sharing_of(job_with(config, num_processes=2)) == Sharing(1, 1, 2, optimizer_on_cpu=True)


def test_a_file_of_gpus_means_nothing_on_a_cpu(tmp_path):
    job = job_with(tmp_path / "nowhere.yaml", device="cpu", num_processes=2)
    assert sharing_of(job) == sharing_of(replace(job, devices=replace(job.devices, accelerate_config=None)))


@pytest.mark.parametrize(
    "text",
    ["- a\n- b\n", "a: [", "deepspeed_config: 3\n", "deepspeed_config: {zero_stage: three}\n", "\x00", None],
    ids=repr,
)
def test_any_other_file_is_refused(tmp_path, text):
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml is no file that accelerate can read"):
        sharing_of(job_with(config, num_processes=2))
