"""The command that starts a job: one process, or several that share the work. Starts nothing itself."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from glmcore.models.places.visible import VISIBLE, gpu_name
from glmcore.tuning.job_config.fields import JobConfig

ONE, SEVERAL = "glmcore", "glmcore.tuning.run"


def needs_launcher(job: JobConfig) -> bool:
    """Whether a process that was started otherwise than `launch_command` says cannot be the run."""
    devices = job.devices
    is_shared = devices.accelerate_config is not None and devices.device != "cpu"
    return devices.num_processes > 1 or is_shared or devices.device.startswith("cuda:")


def launch_command(
    job: JobConfig, job_path: Path | None, overrides: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """The arguments, and what the environment has to say beside what it says already.

    Args:
        job_path: the job's file; None where the overrides say it all.
        overrides: `key=value`, as given after the file.
    """
    devices = job.devices
    rest = [*([str(job_path)] if job_path else []), *overrides]
    environment: dict[str, str] = {}
    if devices.device.startswith("cuda:"):  # the only one that the process sees, so that libraries agree
        environment[VISIBLE] = gpu_name(int(devices.device.removeprefix("cuda:")), os.environ)
        rest.append("device=cuda")
    on_cpu = devices.device == "cpu"
    count = str(devices.num_processes)
    if devices.accelerate_config is not None and not on_cpu:
        config = str(devices.accelerate_config)
        # Port 0: one that is free.
        options = ["--config_file", config, "--num_processes", count, "--main_process_port", "0"]
        return [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            *options,
            "-m",
            SEVERAL,
            *rest,
        ], environment
    if devices.num_processes == 1:
        return [sys.executable, "-m", ONE, "train", *rest], environment
    if on_cpu:
        environment["ACCELERATE_USE_CPU"] = "true"
    environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // devices.num_processes))
    options = ["--standalone", "--nproc_per_node", count]  # standalone: on a port that is free
    return [sys.executable, "-m", "torch.distributed.run", *options, "-m", SEVERAL, *rest], environment


def shown(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """The command as one would type it."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(argv)])
