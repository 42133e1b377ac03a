"""A job's model before its weights are read: tokenizer, prompts, what would learn, how large all of it is."""

import warnings
from dataclasses import dataclass, field

from glmcore.core.errors import ConfigError
from glmcore.core.settings import Settings
from glmcore.models.blueprint import Blueprint
from glmcore.models.loaded import LoadedModel
from glmcore.models.loading import find_blueprint, load_outline
from glmcore.models.places.devices import Device, choose_device, describe_devices
from glmcore.models.progress import Progress
from glmcore.tuning.job_config.fields import JobConfig
from glmcore.tuning.planning.sizes import ModelSizes, sizes_of
from glmcore.tuning.training.precision import base_dtype, choose_precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is known of a run's model. `loaded` builds prompts and has no weights."""

    blueprint: Blueprint
    loaded: LoadedModel = field(repr=False)
    precision: str
    free_bytes: int  # of memory, for one process
    sizes: ModelSizes


def read_outline(job: JobConfig, settings: Settings, progress: Progress) -> Outline:
    """Everything of a job's model that can be known without reading its weights.

    Raises:
        GlmcoreError: as loading the model and preparing it for the job's method would.
    """
    import torch

    from glmcore.tuning.methods.choose import tune

    devices = describe_devices()
    device = _device_of(job, devices)
    precision = choose_precision(job, torch.device(device.name))
    blueprint = find_blueprint(
        job.model.base_model,
        dtype=base_dtype(job, precision),
        device=device.name,
        quantization_bits=job.model.quantization_bits,
        settings=settings,
        progress=progress,
    )
    loaded = load_outline(blueprint)
    with warnings.catch_warnings(), torch.device("meta"):  # also what the method adds
        warnings.filterwarnings("ignore", message="for .*: copying from a non-meta parameter")
        tuned = tune(loaded, job)
    return Outline(
        blueprint=blueprint,
        loaded=loaded,
        precision=precision,
        free_bytes=_free_bytes(job, device, blueprint.needed_bytes, devices),
        sizes=sizes_of(tuned, blueprint),
    )


def _device_of(job: JobConfig, devices: list[Device]) -> Device:
    """Where the first process computes: a GPU, else the CPU."""
    gpus = [device for device in devices if device.name.startswith("cuda")]
    wanted = "cpu" if job.devices.device == "auto" and not gpus else job.devices.device
    device = choose_device(wanted, devices)
    if device in gpus and job.devices.num_processes > len(gpus):
        raise ConfigError(
            "num_processes is {count}, but this machine has {found} GPUs; lower it, or set device: cpu.",
            count=job.devices.num_processes,
            found=len(gpus),
        )
    return device


def _free_bytes(job: JobConfig, device: Device, needed: int, devices: list[Device]) -> int:
    """Each process has a GPU of its own; on the CPU they share one memory."""
    count = job.devices.num_processes
    gpus = [one.free_bytes for one in devices if one.name.startswith("cuda")]
    if not device.name.startswith("cuda"):
        return device.free_bytes // count
    if count > 1:
        return min(gpus[:count])
    return device.free_bytes if needed <= device.free_bytes else sum(gpus)  # spread
