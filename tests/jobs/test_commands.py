from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.jobs.commands import command_of, write_job_file
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job, JobKind, JobState, Needs
from glmcore.tuning.job_config import DeviceConfig, JobConfig, job_text, parse_job
from glmcore.tuning.job_config.file_values import read_values


def job(device: str, *devices: str, kind: JobKind = JobKind.TRAIN, processes: int = 1) -> Job:
    config = replace(JobConfig(), devices=DeviceConfig(device=device, num_processes=processes))
    return Job(
        id="demo-1",
        name="demo",
        owner="ann",
        config=job_text(config),
        method="lora",
        base_model="tiny",
        data="",
        needs=Needs(kind=devices[0].partition(":")[0], count=len(devices)),
        kind=kind,
        options={"checkpoint": "/x/checkpoint-3", "compare_base": True},
        state=JobState.RUNNING,
        position=0.0,
        devices=devices,
        created_at=0.0,
        queued_at=0.0,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobFolder:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return JobFolder(tmp_path / "demo-1")


def test_a_training_on_the_cpu_sees_no_gpu(folder: JobFolder) -> None:
    command, environment = command_of(job("auto", "cpu:0"), folder)
    assert command[1:] == ["-m", "glmcore", "train", str(folder.job_file)]
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert "OMP_NUM_THREADS" not in environment


def test_a_job_for_one_gpu_sees_only_that_one_and_calls_it_the_first(folder: JobFolder) -> None:
    command, environment = command_of(job("cuda:1", "cuda:1"), folder)
    assert command[-1] == "device=cuda"
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_job_for_several_gpus_gets_the_launcher_and_those_that_are_free(folder: JobFolder) -> None:
    command, environment = command_of(job("cuda", "cuda:2", "cuda:3", processes=2), folder)
    assert "torch.distributed.run" in command
    assert environment["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_jobs_that_share_the_cores_share_the_threads(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    _, environment = command_of(job("cpu", "cpu:1"), folder, cpu_jobs=4)
    assert environment["OMP_NUM_THREADS"] == "2"


def test_a_prediction_says_where_its_answers_and_its_status_go(folder: JobFolder) -> None:
    command, _ = command_of(job("cuda:1", "cuda:1", kind=JobKind.PREDICT), folder)
    assert command[1:] == [
        *["-m", "glmcore", "predict", str(folder.job_file), "device=cuda"],
        *["--checkpoint", "/x/checkpoint-3", "--output", str(folder.predictions)],
        *["--status", str(folder.path), "--compare-base"],
    ]


def test_a_job_whose_home_was_moved_writes_into_its_folder_of_now(folder: JobFolder, tmp_path: Path) -> None:
    before = replace(
        JobConfig(), saving=replace(JobConfig().saving, output_dir=tmp_path / "before" / "demo-1")
    )
    moved = replace(job("cpu", "cpu:0"), config=job_text(before))
    folder.path.mkdir()
    folder.job_file.write_text(moved.config)
    for _ in range(2):
        write_job_file(moved, folder)
        values, _problems = read_values(folder.job_file)
        assert parse_job(values, "").config.saving.output_dir == folder.path
    assert [path.name for path in folder.path.iterdir()] == ["job.yaml"]  # nobody has edited anything
