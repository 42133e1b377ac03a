"""What a run leaves for whoever compares it later: on what, with what and how it came about."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from glmcore.tuning.data.report import FileReport
from glmcore.tuning.job_config import JobConfig, flat_values
from glmcore.tuning.methods.tuned import TunedModel

PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "tokenizers")


def provenance(job: JobConfig, files: tuple[FileReport, ...], device: str) -> dict[str, Any]:
    """The resolved job, the hashes of its data, versions, seed and device."""
    return {
        "job": {name: _plain(value) for name, value in flat_values(job).items()},
        "data": {file.file: file.sha256 for file in files},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "seed": job.devices.seed,
        "device": device_name(device),
    }


def size_of(tuned: TunedModel) -> Mapping[str, int]:
    """How many weights there are, and how many learn."""
    return {"parameters": tuned.num_parameters, "trainable_parameters": tuned.num_trainable}


def device_name(device: str) -> str:
    """A GPU by its name."""
    if not device.startswith("cuda"):
        return f"{device} ({platform.processor() or platform.machine()})"
    import torch

    return torch.cuda.get_device_name(device)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
