"""A new folder that is there whole or not at all, whatever ends the program that fills it.

It is filled in a hidden folder beside its place and moved there at the end. What a killed program left behind
is removed by the next one with the same target.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from glmcore.core.errors import ConfigError, StorageError
from glmcore.models.places.devices import GIB


@contextmanager
def whole_folder(target: Path, needed_bytes: int) -> Iterator[Path]:
    """Give an empty folder, which becomes the target unless an exception ends the work in it.

    Raises:
        ConfigError: the target is in use.
        StorageError: the disk is too small, or cannot be written.
    """
    check_free_name(target)
    beside = target.with_name(f".{target.name}.unfinished")
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with _held(beside, target):
            folder = beside / target.name
            if folder.exists():  # of a program that was killed
                shutil.rmtree(folder)
            _check_space(beside, target, needed_bytes)
            folder.mkdir()
            yield folder
            if target.exists():
                target.rmdir()
            folder.rename(target)
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(target, needed_bytes) from fault
        raise StorageError(
            "{folder} cannot be written: {fault}; name a folder on a disk that can be.",
            folder=target,
            fault=fault.strerror or fault,
        ) from fault


def check_free_name(target: Path) -> None:
    """Refuse a target that holds something, or cannot be replaced."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigError("{path} exists already and is not an empty folder; name a new one.", path=target)
    if os.path.ismount(target):
        raise ConfigError(
            "{path} is where a disk is mounted, so no finished folder can be moved there; name a "
            "new folder in it.",
            path=target,
        )


@contextmanager
def _held(beside: Path, target: Path) -> Iterator[None]:
    """The hidden folder for this program alone; it is gone afterwards."""
    lock = FileLock(beside / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as fault:
        raise ConfigError(
            "{path} is being written by another process; wait for it, or name another folder.", path=target
        ) from fault
    try:
        yield
    finally:
        lock.release()
        shutil.rmtree(beside, ignore_errors=True)


def _check_space(beside: Path, target: Path, needed: int) -> None:
    if shutil.disk_usage(beside).free < needed:
        raise _no_space(target, needed)


def _no_space(target: Path, needed: int) -> StorageError:
    parent = target.parent
    free = shutil.disk_usage(parent).free if parent.exists() else 0
    return StorageError(
        "The disk of {folder} is full: {free:.1f} GiB are free, {needed:.1f} GiB are needed; free some "
        "space, or name a folder on another disk.",
        folder=parent,
        free=free / GIB,
        needed=needed / GIB,
    )
