"""Folders for weights that stay on disk while a model is in memory; they go with the model.

In the home folder, as the system's own temporary folder is often memory.
"""

import itertools
import os
import shutil
import weakref
from pathlib import Path

import psutil

_numbers = itertools.count()


class OffloadFolder:
    """Made when it is first asked for, so that a model without such weights leaves no trace."""

    def __init__(self, home: Path) -> None:
        self._root = home / "offload"
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """The folder, which is there from now on."""
        if self._path is None:
            _remove_left_behind(self._root)
            self._path = self._root / f"{os.getpid()}-{next(_numbers)}"
            self._path.mkdir(parents=True)
        return self._path

    def goes_with(self, model: object) -> None:
        """Remove the folder when the model is gone."""
        if self._path is not None:
            weakref.finalize(model, shutil.rmtree, self._path, ignore_errors=True)


def _remove_left_behind(root: Path) -> None:
    """What a killed process could not remove."""
    for folder in root.glob("*-*"):
        pid = folder.name.partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
