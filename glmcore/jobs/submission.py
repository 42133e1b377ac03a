"""A new job: checked as a whole, given a folder, put into the queue; of a refused one nothing is left."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from glmcore.core.errors import StorageError
from glmcore.core.settings import Settings
from glmcore.jobs.devices import list_slots, needs_of, never_fits
from glmcore.jobs.folder import JobFolder, job_folder
from glmcore.jobs.job import Job, JobKind, NewJob
from glmcore.jobs.names import new_job_id
from glmcore.jobs.queue import JobQueue
from glmcore.tuning.checkpoints import Checkpoint, list_checkpoints
from glmcore.tuning.job_config import JobConfig, JobConfigError, check_files, check_job, job_text
from glmcore.tuning.job_config.checks import DataFile
from glmcore.tuning.planning.launch import launch_command, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What somebody asks for; the fields as in `NewJob`.

    Attributes:
        start: a run and one of its checkpoints to go on from.
        owns_data: the test file is for this job alone: a copy of it is in its folder and goes with it.
    """

    config: JobConfig
    name: str
    owner: str
    request_id: str | None = None
    kind: JobKind = JobKind.TRAIN
    options: Mapping[str, Any] = field(default_factory=dict)
    batch: str = ""
    note: str = ""
    parent_id: str | None = None
    start: tuple[JobFolder, Checkpoint] | None = None
    owns_data: bool = False


def add_job(request: JobRequest, settings: Settings, queue: JobQueue) -> Job:
    """Queue a job; the same request again gives the job that it made.

    Raises:
        JobConfigError: all that is wrong with it.
        ConfigError: the machine has no such devices.
        StorageError: its folder cannot be made.
    """
    if request.request_id is not None and (same := queue.find_request(request.owner, request.request_id)):
        return same
    _check(request)
    jobs_dir = settings.jobs_dir.absolute()
    try:
        folder = _make_folder(request, jobs_dir, queue)
    except OSError as fault:
        raise unwritable(jobs_dir, fault) from fault
    try:
        if request.owns_data:
            request = _with_own_data(request, folder)
        new = _new_job(request, folder, settings)
        folder.job_file.write_text(new.config, encoding="utf-8")
        if request.start is not None:
            _copy_start(*request.start, folder)
        job = queue.add(new, folder.path.name)
    except BaseException as fault:
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(fault, OSError):
            raise unwritable(folder.path, fault) from fault
        raise
    if job.id != folder.path.name:  # of the same request, sent twice at the same moment
        shutil.rmtree(folder.path, ignore_errors=True)
    return job


def resolved(config: JobConfig, folder: JobFolder) -> JobConfig:
    """The job as it runs: it writes into its folder, and its paths count from nowhere."""
    sections: dict[str, Any] = {}
    for section in fields(config):
        part: Any = getattr(config, section.name)
        paths = {
            entry.name: Path(os.path.abspath(value))
            for entry in fields(part)
            if isinstance(value := getattr(part, entry.name), Path)
        }
        sections[section.name] = replace(part, **paths)
    sections["saving"] = replace(sections["saving"], output_dir=folder.path)
    return JobConfig(**sections)


def _make_folder(request: JobRequest, jobs_dir: Path, queue: JobQueue) -> JobFolder:
    """A folder that is this job's alone, whoever sends the same request at the same moment."""

    def is_taken(job_id: str) -> bool:
        return os.path.lexists(jobs_dir / job_id) or queue.has(job_id)

    jobs_dir.mkdir(parents=True, exist_ok=True)
    while True:
        folder = job_folder(jobs_dir, new_job_id(request.name, request.request_id, is_taken))
        with suppress(FileExistsError):  # somebody was quicker
            folder.path.mkdir()
            return folder


def _check(request: JobRequest) -> None:
    needed: DataFile = "test_file" if request.kind is JobKind.PREDICT else "train_file"
    problems, _warnings = check_job(request.config, request.name, needed)
    problems += check_files(request.config, request.name, needed)
    if problems:
        raise JobConfigError(problems)


def _new_job(request: JobRequest, folder: JobFolder, settings: Settings) -> NewJob:
    slots = list_slots(settings)
    devices = request.config.devices
    if request.kind is JobKind.PREDICT:  # in one process, whatever the training took
        devices = replace(devices, num_processes=1)
    needs = needs_of(replace(request.config, devices=devices), slots)
    if impossible := never_fits(needs, slots):
        raise impossible
    config = resolved(request.config, folder)
    data = config.data.test_file if request.kind is JobKind.PREDICT else config.data.train_file
    return NewJob(
        name=request.name.strip() or folder.path.name,
        owner=request.owner,
        config=job_text(config, shown(*launch_command(config, folder.job_file))),
        method=config.tuning.method,
        base_model=config.model.base_model,
        data=data.name if data else "",
        needs=needs,
        kind=request.kind,
        request_id=request.request_id,
        options=request.options,
        parent_id=request.parent_id,
        batch=request.batch,
        note=request.note,
    )


def _with_own_data(request: JobRequest, folder: JobFolder) -> JobRequest:
    data = request.config.data
    assert data.test_file is not None  # `_check` says it
    own = folder.path / data.test_file.name
    shutil.copyfile(data.test_file, own)
    return replace(request, config=replace(request.config, data=replace(data, test_file=own)))


def _copy_start(source: JobFolder, checkpoint: Checkpoint, folder: JobFolder) -> None:
    """Bring a checkpoint and the curves up to it into a new folder; the best one too, which it names."""
    for one in list_checkpoints(source):
        if one.step == checkpoint.step or (one.is_best and one.step < checkpoint.step):
            # The weights are linked where the disk can: nobody writes into a whole checkpoint.
            shutil.copytree(one.path, folder.checkpoints / one.path.name, copy_function=_link)
    if source.data_report.is_file():
        shutil.copyfile(source.data_report, folder.data_report)
    for name in (source.metrics.name, source.probe.name):
        if (source.path / name).is_file():
            _copy_points(source.path / name, folder.path / name, checkpoint.step)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _copy_points(source: Path, target: Path, last_step: int) -> None:
    with source.open("rb") as lines, target.open("wb") as kept:
        for line in lines:
            with suppress(ValueError, TypeError, KeyError, RecursionError):  # no point of a run
                if json.loads(line)["step"] <= last_step:
                    kept.write(line)


def unwritable(path: Path, fault: OSError) -> StorageError:
    return StorageError(
        "{path} cannot be written: {fault}; nothing was queued.", path=path, fault=fault.strerror or fault
    )
