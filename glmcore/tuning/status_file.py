"""The file that tells how far a run is, for whoever watches it. Knows no torch."""

import os
import time
from typing import Any

from glmcore.tuning.run_folder import RunFolder, write_whole

STATUS_SECONDS = 1.0  # between two writings of the status


class StatusFile:
    """The state of a run for whoever watches it: queued by nobody here, so running at first."""

    def __init__(self, folder: RunFolder, *, is_writer: bool = True) -> None:
        self._folder, self._is_writer = folder, is_writer
        self._values: dict[str, Any] = {"pid": os.getpid(), "started": time.time(), "step": 0, "total": None}
        self._written = 0.0

    def update(self, state: str, *, at_once: bool = True, **values: Any) -> None:
        """States: "preparing", "running", "stopped", "failed", "finished"."""
        if not self._is_writer:
            return
        self._values |= {"state": state, "updated": time.time(), **values}
        if at_once or time.monotonic() - self._written >= STATUS_SECONDS:
            write_whole(self._folder.status, self._values)
            self._written = time.monotonic()
