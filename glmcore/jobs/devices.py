"""The device slots of this machine, and which queued job gets which of them next.

A slot is "cpu:0", of which there are as many as the settings say, or a GPU as processes of this environment
count them, "cuda:1". No torch: it would hold memory on every GPU that it looks at.
"""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile

from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.settings import Settings
from glmcore.jobs.job import Job, Needs
from glmcore.models.places.visible import VISIBLE, gpu_name, visible_gpus
from glmcore.tuning.job_config.fields import JobConfig

REFRESH_SECONDS = 30.0
ANSWER_SECONDS = 10.0  # eight GPUs that nothing uses take a few seconds to wake up
QUERY = ("--query-gpu=index,uuid", "--format=csv,noheader,nounits")

_asked: dict[str, tuple[float, tuple[str, ...]]] = {}  # by program: when, and the GPUs that it told of
_asking = threading.Lock()


def list_slots(settings: Settings, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """All slots, those of the CPU first."""
    environ = os.environ if environ is None else environ
    on_cpu = tuple(f"cpu:{number}" for number in range(settings.cpu_jobs))
    return (*on_cpu, *(f"cuda:{number}" for number in range(_count_gpus(environ))))


def needs_of(config: JobConfig, slots: Sequence[str]) -> Needs:
    """What a job takes of these slots; one that leaves the choice open takes GPUs where there are any."""
    kind, _, index = config.devices.device.partition(":")
    if kind == "auto":
        kind = "cuda" if any(slot.startswith("cuda") for slot in slots) else "cpu"
    if kind == "cpu":
        return Needs()  # its processes share the one slot, as they share memory and cores
    if index:
        return Needs(kind=kind, index=int(index))
    return Needs(kind=kind, count=config.devices.num_processes)


def choose_slots(needs: Needs, free: Sequence[str]) -> tuple[str, ...] | None:
    """The slots of lowest number that a job would get; None where too few are free."""
    if needs.index is not None:
        wanted = f"{needs.kind}:{needs.index}"
        return (wanted,) if wanted in free else None
    of_kind = sorted((slot for slot in free if slot.startswith(f"{needs.kind}:")), key=_number)
    return tuple(of_kind[: needs.count]) if len(of_kind) >= needs.count else None


def never_fits(needs: Needs, slots: Sequence[str]) -> GlmcoreError | None:
    """Why a job cannot run on a machine with these slots, however long it waits."""
    if choose_slots(needs, slots) is not None:
        return None
    gpus = [slot for slot in slots if slot.startswith("cuda")]
    if not gpus:
        return ConfigError("The job is for a GPU, but this machine has none to use; set device: cpu or auto.")
    if needs.index is not None:
        return ConfigError(
            "The job is for the GPU {wanted}, but this machine has {found}; set device to one that is there.",
            wanted=str(needs),
            found=", ".join(gpus),
        )
    return ConfigError(
        "The job needs {count} GPUs at once, but this machine has {found}; lower num_processes, or set "
        "device: cpu.",
        count=needs.count,
        found=", ".join(gpus),
    )


def slot_environment(slots: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment of a job says beside what it says already: it sees its own GPUs and no other.

    It counts over what `launch_command` gives. In its own count the first of its GPUs is "cuda:0", so a job
    that names one GPU has to be told `device=cuda`, as `launch_command` does.
    """
    gpus = [gpu_name(_number(slot), environ) for slot in slots if slot.startswith("cuda:")]
    return {VISIBLE: ",".join(gpus)}


def pick_next(
    queued: Sequence[Job], live: Sequence[Job], slots: Sequence[str]
) -> tuple[Job, tuple[str, ...]] | None:
    """The job to start now, and its slots; None where every job waits.

    First come, first served for each kind of device: a job that waits for GPUs lets none behind it have one,
    so that it gets them in the end. Jobs for the CPU go on meanwhile. One that waits for a certain GPU stops
    nobody: that GPU is busy, and whoever takes another takes nothing from it. Nor does one that this machine
    cannot run at all.

    Args:
        queued: in their order.
        live: those of this machine.
    """
    held = {slot for job in live for slot in job.devices}
    free = [slot for slot in slots if slot not in held]
    waited_for: set[str] = set()
    for job in queued:
        needs = job.needs
        if needs.kind in waited_for or never_fits(needs, slots):
            continue
        chosen = choose_slots(needs, free)
        if chosen is not None:
            return job, chosen
        if needs.index is None:
            waited_for.add(needs.kind)
    return None


def parse_gpus(text: str) -> tuple[str, ...]:
    """The UUIDs that nvidia-smi's answer to QUERY tells, in the order of their numbers."""
    rows = re.findall(r"^ *([0-9]{1,6}) *, *(\S.*?)\s*$", text, re.MULTILINE)
    gpus = {int(index): uuid for index, uuid in rows}
    return tuple(gpus[index] for index in sorted(gpus))


def _count_gpus(environ: Mapping[str, str]) -> int:
    """How many GPUs torch would count in this environment."""
    program = shutil.which("nvidia-smi", path=environ.get("PATH"))
    gpus = _gpus_of(program) if program and not _is_cpu_build() else ()
    names = visible_gpus(environ)
    if names is None or not gpus:
        return len(gpus)
    if names and names[0].startswith("MIG-"):  # a part of a GPU each, of which nothing is told
        return len(names)
    if names and names[0].startswith("GPU-"):  # the beginning is enough where only one begins so
        found = [[gpu for gpu in gpus if gpu.startswith(name)] for name in names]
        known = [tuple(one) for one in takewhile(lambda one: len(one) == 1, found)]
        return len(known) if len(set(known)) == len(known) else 0
    return len(list(takewhile(lambda name: int(name) < len(gpus), names)))


def _gpus_of(program: str) -> tuple[str, ...]:
    """What nvidia-smi tells, asked now and then; where it does not answer, what it told before."""
    with _asking:
        asked_at, gpus = _asked.get(program, (-REFRESH_SECONDS, ()))
        if time.monotonic() - asked_at < REFRESH_SECONDS:
            return gpus
        try:
            done = subprocess.run(
                [program, *QUERY],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=ANSWER_SECONDS,
                check=True,
            )
            gpus = parse_gpus(done.stdout.decode(errors="replace"))
        except (OSError, subprocess.SubprocessError):
            pass  # a driver that is being replaced: jobs that wait for GPUs go on waiting
        _asked[program] = time.monotonic(), gpus
        return gpus


def _is_cpu_build() -> bool:
    """Whether torch is a build that sees no GPU."""
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return True


def _number(slot: str) -> int:
    return int(slot.partition(":")[2])
