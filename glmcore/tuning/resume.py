"""Where a run begins: at its first step, or at its last whole checkpoint. Reads no weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from glmcore.core.errors import ConfigError, JobError, StorageError
from glmcore.core.settings import Settings
from glmcore.tuning.checkpoints import Checkpoint, last_checkpoint, remove_unfinished
from glmcore.tuning.data.report import DataReport
from glmcore.tuning.job_config import JobConfig, flat_values, parse_job, write_job
from glmcore.tuning.job_config.file_values import read_values
from glmcore.tuning.run_folder import RunFolder, read_whole

# What may differ from an earlier beginning of the same run: all but what the learnt weights depend on.
FREE = {
    "max_steps",
    "num_train_epochs",
    "test_file",
    "max_predict_samples",
    "evaluate_every_steps",
    "per_device_eval_batch_size",
    "predict_with_generate",
    "max_new_tokens",
    "num_beams",
    "temperature",
    "top_p",
    "plateau_evaluations",
    "forgetting_probe",
    "output_dir",
    "save_every_steps",
    "keep_checkpoints",
    "log_every_steps",
    "tensorboard",
    "device",
    "accelerate_config",
}


def output_folder(job: JobConfig, job_file: Path | None, settings: Settings) -> RunFolder:
    """The folder of a run: the job's own, or one named after its file."""
    if job.saving.output_dir is not None:
        return RunFolder(job.saving.output_dir)
    if job_file is None:
        raise ConfigError("output_dir is not set; name a folder for the run.")
    return RunFolder(settings.home / "jobs" / job_file.stem)


def begin(job: JobConfig, folder: RunFolder) -> Checkpoint | None:
    """Make the folder ready: the checkpoint to go on from, or None to begin.

    What a killed process left half is removed, the job is written down.

    Raises:
        ConfigError: the folder is another run's, or the run has finished.
    """
    check_folder(job, folder)
    named = replace(job, saving=replace(job.saving, output_dir=folder.path))  # wherever it is read from
    write_job(named, folder.job_file)  # first: by it the folder is known as a run's
    try:
        folder.checkpoints.mkdir(exist_ok=True)
        remove_unfinished(folder)
        for left in folder.path.glob(".*.json.*"):  # half-written by a process that was killed
            left.unlink(missing_ok=True)
        for request in (folder.stop_request, folder.save_request):  # meant for a process that is gone
            request.unlink(missing_ok=True)
    except OSError as fault:
        raise _unwritable(folder, fault) from fault
    return last_checkpoint(folder)


def check_same_data(report: DataReport, folder: RunFolder) -> None:
    """Raises ConfigError where the training file is not the one that the run began with."""
    train, *_ = report.files
    files = read_whole(folder.data_report).get("files")
    if files and files[0]["sha256"] != train.sha256 and last_checkpoint(folder) is not None:
        raise ConfigError(
            "{file} has changed since the run in {path} began, so it cannot go on as if it had not stopped; "
            "put the file back, or set output_dir to a new folder.",
            file=train.file,
            path=folder.path,
        )


def check_folder(job: JobConfig, folder: RunFolder) -> None:
    """Raises ConfigError where a folder is another run's, or the run in it has finished."""
    if not folder.path.is_dir():
        return
    if not folder.job_file.is_file():
        before = {folder.status.name, folder.stop_request.name, folder.save_request.name, "log.txt"}
        before |= {folder.prepared.name, folder.predictions.name}  # of the base model's predictions
        if all(path.name in before or path.name.startswith(".") for path in folder.path.iterdir()):
            return  # the queue's, or of a process that was killed at once
        raise ConfigError(
            "{path} holds files that no run wrote; set output_dir to a new folder.", path=folder.path
        )
    values, _ = read_values(folder.job_file)
    earlier, now = flat_values(parse_job(values, str(folder.job_file)).config), flat_values(job)
    different = [name for name in now if name not in FREE and earlier[name] != now[name]]
    if different and last_checkpoint(folder) is not None:
        first = different[0]
        raise ConfigError(
            "{path} holds a run with other settings ({names}; {first} was {found} and is {expected} now); "
            "set output_dir to a new folder, or set them as they were to go on.",
            path=folder.path,
            names=", ".join(different),
            first=first,
            found=earlier[first],
            expected=now[first],
        )
    status = read_whole(folder.status)
    same_end = all(earlier[name] == now[name] for name in ("max_steps", "num_train_epochs"))
    if status.get("state") == "finished" and same_end:
        raise ConfigError(
            "{path} holds this run, which finished at step {step}; raise max_steps or num_train_epochs to go "
            "on, or set output_dir to a new folder.",
            path=folder.path,
            step=status.get("step"),
        )


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """The folder for this run alone."""
    lock = FileLock(folder.lock)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as fault:
        raise JobError(
            "{path} is in use by another run; wait for its end, or set output_dir to a new folder.",
            path=folder.path,
        ) from fault
    except OSError as fault:
        raise _unwritable(folder, fault) from fault
    try:
        yield
    finally:
        lock.release()


def _unwritable(folder: RunFolder, fault: OSError) -> StorageError:
    return StorageError(
        "{path} cannot be written: {fault}; set output_dir to a folder that can be.",
        path=folder.path,
        fault=fault.strerror or fault,
    )
