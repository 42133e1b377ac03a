"""Something slow that several processes may want at once, and only one is to make."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from glmcore.core.i18n import mark
from glmcore.models.progress import Progress

WAITING = mark("Waiting for another process that prepares the model")


@contextmanager
def one_maker(lock_file: Path, progress: Progress) -> Iterator[None]:
    """Wait until nobody else makes it; whether it is there by then is for the caller to see."""
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress(WAITING, None)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
