"""Starts the process that converts a model, follows it, and says in one sentence how it failed."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import glmcore
from glmcore.core.errors import ModelLoadError
from glmcore.core.i18n import mark
from glmcore.models.openvino.convert import DISK_IS_FULL
from glmcore.models.progress import Progress

PREPARING = mark("Preparing the model for the openvino engine, once")


def run_conversion(model: Path, folder: Path, progress: Progress) -> None:
    """Fill a folder with what `convert` makes of a model.

    Raises:
        ModelLoadError: it does not come out right.
        OSError: the disk is full.
    """
    progress(PREPARING, 0.0)
    errors = folder.parent / "errors"
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "glmcore.models.openvino.convert", str(model), str(folder)],
            cwd=Path(glmcore.__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    progress(PREPARING, float(line))
            except BaseException:
                process.kill()
                raise
    if process.returncode == DISK_IS_FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if process.returncode != 0:
        lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
        raise _explain(model, process.returncode, [line for line in lines if line.strip()])
    progress(PREPARING, 1.0)


def _explain(model: Path, code: int, lines: list[str]) -> ModelLoadError:
    if code < 0:
        return ModelLoadError(
            "{path} could not be prepared for the openvino engine: the process that did it was killed by "
            "signal {signal}, as when memory runs out; free some, or choose the engine transformers.",
            path=model,
            signal=-code,
        )
    return ModelLoadError(
        "{path} could not be prepared for the openvino engine: {fault} Choose the engine transformers.",
        path=model,
        fault=lines[-1] if lines else f"exit code {code}.",
    )
