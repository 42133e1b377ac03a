"""Between a prediction and who watches it: how far it is, in a status file, and whether it is to end.

Knows no torch, so that a command is watched from its first moment.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glmcore.core.errors import GlmcoreError, JobError, StorageError
from glmcore.tuning.run_folder import RunFolder
from glmcore.tuning.status_file import StatusFile

ENDED_BY_SIGTERM = 128 + signal.SIGTERM  # as a shell counts


class AnswerWatch:
    """Counts answered rows over all models that are asked.

    Attributes:
        is_asked_to_stop: the rows answered so far are enough; what calls `add` looks at it.
    """

    def __init__(self, folder: Path | None = None, num_models: int = 1) -> None:
        """Watch; without a folder nothing is written.

        Raises:
            StorageError: the folder cannot be written.
        """
        self._status = None if folder is None else StatusFile(RunFolder(folder))
        self._num_models, self._num_begun = num_models, 0
        self._done = self._total = self._answered_here = 0
        self._seconds, self._looked = 0.0, 0.0
        self.is_asked_to_stop = False
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._tell("preparing", reason=None)
        except OSError as fault:
            raise StorageError(
                "{path} cannot be written: {fault}; name another folder.",
                path=folder,
                fault=fault.strerror or str(fault),
            ) from fault

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Tell from the beginning to the end; in it SIGTERM asks for the end, a second one ends at once.

        So does the first while nothing is answered yet: then there is nothing to bring to an end.
        """
        try:
            with self._listening():
                yield
        except GlmcoreError as fault:
            self._tell_last("failed", fault)
            raise
        except KeyboardInterrupt:
            self._tell_last("stopped")
            raise
        except Exception as fault:
            told = JobError(
                "The prediction broke off, which is a fault of this program: {fault}.", fault=repr(fault)
            )
            self._tell_last("failed", told)
            raise
        self._tell_last("finished" if self.is_done else "stopped")

    @property
    def is_done(self) -> bool:
        """Whether every model has answered every row."""
        return 0 < self._total <= self._done

    def begin(self, done: int, count: int) -> None:
        """A model is about to answer `count` rows, of which some were answered before."""
        self._num_begun += 1
        self._done += done
        self._total = count * self._num_models
        self._looked = time.monotonic()
        self._tell("running")

    def add(self, count: int) -> None:
        """So many rows more are answered."""
        now = time.monotonic()
        self._seconds, self._looked = self._seconds + now - self._looked, now
        self._done, self._answered_here = self._done + count, self._answered_here + count
        self._tell("running", at_once=False)

    def _tell(self, state: str, *, at_once: bool = True, **values: Any) -> None:
        if self._status is None:
            return
        # Only rows of this process count: those answered before cost it nothing.
        seconds_each = self._seconds / self._answered_here if self._answered_here else None
        eta = None if seconds_each is None else seconds_each * (self._total - self._done)
        total = self._total or None
        told = {"step": self._done, "total": total, "eta_seconds": eta, **values}
        self._status.update(state, at_once=at_once, **told)

    def _tell_last(self, state: str, reason: GlmcoreError | None = None) -> None:
        with suppress(OSError):  # the disk may be what is full
            self._tell(state, eta_seconds=0.0, reason=reason.to_dict() if reason else None)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _on_signal(self, number: int, frame: Any) -> None:
        """At once as kill -9 would: an exception that comes while a library is imported is lost in it."""
        if self._num_begun and not self.is_asked_to_stop:
            self.is_asked_to_stop = True
            return
        self._tell_last("stopped")
        os._exit(ENDED_BY_SIGTERM)
