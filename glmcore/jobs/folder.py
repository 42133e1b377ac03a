"""The folder of a job: that of its run, and what the queue writes beside it."""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from glmcore.core.errors import StorageError
from glmcore.tuning.run_folder import RunFolder, read_whole

MOST_TOLD_BYTES = 1 << 20  # a larger file is none of ours


@dataclass(frozen=True, slots=True)
class JobFolder(RunFolder):
    """Where a job keeps what."""

    @property
    def log(self) -> Path:
        """What its process prints, of all attempts."""
        return self.path / "log.txt"

    @property
    def launch(self) -> Path:
        """{"token", "command", "environment"}: what the supervisor of this attempt is to start."""
        return self.path / ".launch.json"

    @property
    def supervisor(self) -> Path:
        """{"token", "pid", "started"}: written by the supervisor before it starts anything."""
        return self.path / ".supervisor.json"

    @property
    def exit(self) -> Path:
        """{"token", "code", "time"}: how the process of an attempt ended."""
        return self.path / ".exit.json"


def job_folder(jobs_dir: Path, job_id: str) -> JobFolder:
    """The folder of a job; it need not be there.

    Raises:
        StorageError: the id would lead out of the jobs folder.
    """
    path = jobs_dir / job_id
    if not job_id or Path(job_id).name != job_id or job_id.startswith("."):
        raise StorageError(
            "{id!r} is no name of a folder below {folder}; nothing was touched.", id=job_id, folder=jobs_dir
        )
    return JobFolder(path)


def read_told(path: Path) -> dict[str, Any]:
    """What a job told in a small file; empty also where something lies that would hold a reader up."""
    try:
        facts = path.stat()
    except OSError:
        return {}
    return read_whole(path) if stat.S_ISREG(facts.st_mode) and facts.st_size <= MOST_TOLD_BYTES else {}


def open_log(folder: JobFolder) -> BinaryIO:
    """To append to; raises OSError, also for a pipe in its place that nobody reads."""
    return open(folder.log, "ab", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))


def check_removable(folder: JobFolder) -> None:
    """Raises StorageError where the folder leads elsewhere."""
    if folder.path.is_symlink():
        raise StorageError(
            "{path} is a link, so what it leads to is not deleted; remove the link yourself.",
            path=folder.path,
        )


def remove_folder(folder: JobFolder, name: str) -> None:
    """Raises StorageError where something of it stays."""
    try:
        if folder.path.is_dir():
            shutil.rmtree(folder.path)
    except OSError as fault:
        raise StorageError(
            "{name} is off the list, but {path} cannot be removed whole: {fault}.",
            name=name,
            path=folder.path,
            fault=fault.strerror or fault,
        ) from fault
