"""Where a model can compute and with which numbers: devices, their free memory, the choice of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glmcore.core.errors import ConfigError
from glmcore.models.files.number_formats import LOADED_FORMATS

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Device:
    """One place to compute, with its memory in bytes."""

    name: str  # "cpu", "cuda:0", "mps"
    description: str
    free_bytes: int
    total_bytes: int


def describe_devices() -> list[Device]:
    """All devices of this machine, the best for a model first."""
    import torch

    devices = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        devices.append(Device(f"cuda:{index}", torch.cuda.get_device_name(index), free, total))
    cpu = _describe_cpu()
    if torch.backends.mps.is_available():  # shares the memory of the machine
        devices.append(Device("mps", "Apple GPU", cpu.free_bytes, cpu.total_bytes))
    return [*devices, cpu]


def choose_device(requested: str, devices: Sequence[Device]) -> Device:
    """The device asked for; for "auto" or "cuda" the GPU with most free memory.

    Raises:
        ConfigError: it is not there; names those that are.
    """
    wanted = [device for device in devices if requested in ("auto", device.name, device.name.split(":")[0])]
    if not wanted:
        raise ConfigError(
            "The device {requested!r} is not here; this machine has {found}.",
            requested=requested,
            found=", ".join(device.name for device in devices),
        )
    gpus = [device for device in wanted if device.name.startswith("cuda")]
    return max(gpus, key=lambda device: device.free_bytes) if gpus else wanted[0]


def choose_dtype(requested: str, device: str, stored: str) -> str:
    """The number format to load weights in that are stored in another.

    What is stored in 32 bits stays so. 16 bits stay where the device computes them natively; a CPU that knows
    bfloat16 gets that (on two cores with AVX512-BF16 it decoded faster than float32, in half the memory).

    Raises:
        ConfigError: there is no such format.
    """
    if requested in LOADED_FORMATS:
        return requested
    if requested != "auto":
        raise ConfigError(
            "dtype is {dtype!r}; expected auto or one of {known}.",
            dtype=requested,
            known=", ".join(LOADED_FORMATS),
        )
    if stored == "float32":
        return "float32"
    if device == "cpu":
        return "bfloat16" if _has_cpu_bfloat16() else "float32"
    if device.startswith("cuda") and stored == "bfloat16":
        return "bfloat16" if _has_cuda_bfloat16() else "float16"
    return stored


def _has_cpu_bfloat16() -> bool:
    import torch

    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _has_cuda_bfloat16() -> bool:
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


def cpu_memory() -> tuple[int, int]:
    """(total, free) bytes that this process may use; found without torch."""
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    limit = _container_memory()
    return (total, free) if limit is None else (min(total, limit[0]), min(free, limit[1]))


def _describe_cpu() -> Device:
    import torch

    total, free = cpu_memory()
    cores = f"{torch.get_num_threads()} threads"
    return Device("cpu", f"{torch.backends.cpu.get_cpu_capability()}, {cores}", free, total)


def _container_memory(root: Path = CGROUP) -> tuple[int, int] | None:
    """(limit, free) bytes where a container limits memory (cgroup 2); psutil sees the whole machine."""
    try:
        limit = int((root / "memory.max").read_text())  # "max" where there is none
        used = int((root / "memory.current").read_text())
        pairs = (line.split() for line in (root / "memory.stat").read_text().splitlines())
        reclaimable = next((int(value) for name, value in pairs if name == "inactive_file"), 0)
    except (OSError, ValueError):
        return None
    return limit, max(0, limit - used + reclaimable)
