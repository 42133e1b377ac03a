"""Whether the disk has room for a run's checkpoints, known before it begins."""

import os
import shutil
from math import ceil
from pathlib import Path

from glmcore.core.errors import StorageError
from glmcore.models.places.devices import GIB
from glmcore.tuning.checkpoints import list_checkpoints
from glmcore.tuning.job_config.fields import JobConfig
from glmcore.tuning.planning.memory import MemoryEstimate
from glmcore.tuning.run_folder import RunFolder


def checkpoint_bytes(job: JobConfig, estimate: MemoryEstimate, num_steps: int, folder: RunFolder) -> int:
    """What the checkpoints will take that are there at once and are not there yet."""
    count = ceil(num_steps / job.saving.save_every_steps)
    if keep := job.saving.keep_checkpoints:
        count = min(count, keep + 2)  # the best, and a new one before the oldest is removed
    return max(0, count - len(list_checkpoints(folder))) * estimate.checkpoint_bytes


def check_disk(job: JobConfig, estimate: MemoryEstimate, num_steps: int, folder: RunFolder) -> None:
    """Refuse a run whose checkpoints have no place.

    Raises:
        StorageError: the disk is too full, or the folder cannot be written.
    """
    found = _existing(folder.path)
    if not os.access(found, os.W_OK | os.X_OK):
        raise StorageError(
            "{path} cannot be written; set output_dir to a folder that can be.", path=folder.path
        )
    needed, free = checkpoint_bytes(job, estimate, num_steps, folder), shutil.disk_usage(found).free
    if needed <= free:
        return
    raise StorageError(
        "The checkpoints of this run take {needed:.1f} GiB, {each:.2f} each, but the disk of {path} has "
        "{free:.1f} GiB free; lower keep_checkpoints, free some space, or set output_dir to a folder on "
        "another disk.",
        needed=needed / GIB,
        each=estimate.checkpoint_bytes / GIB,
        path=folder.path,
        free=free / GIB,
    )


def _existing(path: Path) -> Path:
    """The folder, or the closest one above it that is there."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.is_dir())
