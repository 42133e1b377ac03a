"""The command of a job, and the job file that it reads."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.devices import slot_environment
from glmcore.jobs.folder import JobFolder, open_log
from glmcore.jobs.job import Job, JobKind
from glmcore.tuning.job_config import JobConfig, flat_values, job_text, parse_job
from glmcore.tuning.job_config.file_values import parse_values, read_values
from glmcore.tuning.planning.launch import ONE, launch_command, shown

PROJECT = Path(__file__).resolve().parents[2]
EDITED = (
    "The job file was changed after it was queued. It runs as it was queued; the change is kept in {name}."
)


def queued_config(job: Job) -> JobConfig:
    """The settings of a job, as they were queued."""
    values, _problems = parse_values(job.config, job.id)
    return parse_job(values, job.id).config


def write_job_file(job: Job, folder: JobFolder) -> None:
    """Put the job file there as it was queued; one that somebody changed meanwhile is kept beside it.

    Raises:
        OSError: the disk refused.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    if folder.job_file.is_file() and not _says_the_same(folder.job_file, job):
        edited = folder.path / "job.edited.yaml"
        os.replace(folder.job_file, edited)
        with open_log(folder) as log:
            log.write(f"{EDITED.format(name=edited.name)}\n".encode())
    beside = folder.path / ".job.yaml.new"
    beside.write_text(_text_here(job, folder), encoding="utf-8")
    os.replace(beside, folder.job_file)


def command_of(job: Job, folder: JobFolder, cpu_jobs: int = 1) -> tuple[list[str], dict[str, str]]:
    """The arguments of a job's process, and its environment beside what is there already.

    Args:
        cpu_jobs: how many jobs share the cores.
    """
    config = queued_config(job)
    # Of a job for "cuda:1" the command says device=cuda: it is the only one that its process sees.
    command, environment = launch_command(config, folder.job_file)
    if job.kind is JobKind.PREDICT:
        command = _predict_command(command, job, folder)
    environment |= slot_environment(job.devices, os.environ)
    if cpu_jobs > 1 and job.needs.kind == "cpu":
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // cpu_jobs)))
    found = os.environ.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), *([found] if found else [])])
    return command, environment


def _predict_command(training: Sequence[str], job: Job, folder: JobFolder) -> list[str]:
    """One process on the device that a training would have."""
    options = ["device=cuda"] if "device=cuda" in training else []
    options += ["--checkpoint", str(job.options["checkpoint"])]
    options += ["--output", str(folder.predictions), "--status", str(folder.path)]
    options += ["--compare-base"] if job.options.get("compare_base") else []
    return [training[0], "-m", ONE, "predict", str(folder.job_file), *options]


def _text_here(job: Job, folder: JobFolder) -> str:
    """The job file; of one whose home folder was moved or copied since, with the folder that it has now."""
    config = queued_config(job)
    if config.saving.output_dir == folder.path:
        return job.config
    config = replace(config, saving=replace(config.saving, output_dir=folder.path))
    return job_text(config, shown(*launch_command(config, folder.job_file)))


def _says_the_same(path: Path, job: Job) -> bool:
    try:
        values, _problems = read_values(path)
        found = parse_job(values, str(path)).config
    except GlmcoreError:
        return False
    anywhere = {"output_dir": None}  # it goes with the home folder
    return flat_values(found) | anywhere == flat_values(queued_config(job)) | anywhere
