"""How several processes share a model: what a file of configs/accelerate/ says of it. Pure reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config.fields import JobConfig

DEEPSPEED, FSDP = "DEEPSPEED", "FSDP"


@dataclass(frozen=True, slots=True)
class Sharing:
    """Into how many parts each is cut; with `copies_gradients` each process keeps them twice (DDP)."""

    weights: int = 1
    gradients: int = 1
    optimizer: int = 1
    copies_gradients: bool = False
    optimizer_on_cpu: bool = False


def sharing_of(job: JobConfig) -> Sharing:
    """What the processes of a job share.

    Raises:
        ConfigError: the accelerate_config is no such file.
    """
    count, path = job.devices.num_processes, job.devices.accelerate_config
    values = {} if path is None or job.devices.device == "cpu" else _read_config(path)
    kind = str(values.get("distributed_type", "")).upper()
    if kind == FSDP:
        return Sharing(count, count, count)
    if kind == DEEPSPEED:
        details = values.get("deepspeed_config") or {}
        stage = int(details.get("zero_stage", 2))
        return Sharing(
            weights=count if stage >= 3 else 1,
            gradients=count if stage >= 2 else 1,
            optimizer=count if stage >= 1 else 1,
            optimizer_on_cpu=details.get("offload_optimizer_device") == "cpu",
        )
    return Sharing(copies_gradients=count > 1)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("expected names and values")
        stage = (values.get("deepspeed_config") or {}).get("zero_stage", 2)
        if stage not in (0, 1, 2, 3):
            raise ValueError(f"zero_stage is {stage}, expected 0 to 3")
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as fault:
        raise ConfigError(
            "{path} is no file that accelerate can read: {fault}; compare it with those of "
            "configs/accelerate.",
            path=path,
            fault=str(fault).splitlines()[0].rstrip("."),
        ) from fault
    return values
