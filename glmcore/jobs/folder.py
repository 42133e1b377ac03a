"""The folder of a job: that of its run, and what the queue writes beside it."""

from dataclasses import dataclass
from pathlib import Path

from glmcore.core.errors import StorageError
from glmcore.tuning.run_folder import RunFolder


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
