"""Who holds a device: chat and training are processes that know nothing of each other but these files.

Holding keeps nobody out. It lets the one that does not fit say who is there.
"""

import json
import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from glmcore.core.errors import NotEnoughMemoryError
from glmcore.models.places.devices import GIB
from glmcore.models.places.visible import gpu_name, visible_gpus

FOLDER = "holders"
CLOCK_SECONDS = 2.0  # the system tells when a process was started only so precisely
ANY, ANY_GPU = "auto", "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A model or a run that has, or is about to have, `bytes` of the memory of a device.

    Attributes:
        device: "cpu" or a GPU by the machine's own name, which may be another number than a process counts.
        started: since when, in seconds since 1970.
    """

    name: str
    what: Literal["chat", "job"]
    device: str
    bytes: int
    host: str
    pid: int
    started: float

    def __str__(self) -> str:
        return f"{self.name} ({self.bytes / GIB:.1f} GiB)"


@contextmanager
def hold(home: Path, *, name: str, what: Literal["chat", "job"], held: Mapping[str, int]) -> Iterator[None]:
    """Be known as a holder as long as this lasts; where nothing can be written, nobody knows.

    Args:
        held: bytes by device.
    """
    files = []
    for device, size in held.items():
        holder = Holder(
            name=name,
            what=what,
            device=_place(device),
            bytes=size,
            host=platform.node(),
            pid=os.getpid(),
            started=time.time(),
        )
        files.append(home / FOLDER / f"{uuid4().hex}.json")
        with suppress(OSError):
            _write(files[-1], holder)
    try:
        yield
    finally:
        for file in files:
            with suppress(OSError):
                file.unlink(missing_ok=True)


def holders(home: Path, device: str) -> list[Holder]:
    """Who holds a device, the first comer first; files of processes that are gone are removed.

    Args:
        device: as this process counts; "cuda" is every GPU that it may see, "auto" every device.
    """
    found = []
    for file in (home / FOLDER).glob("*.json"):  # nothing where there is no folder
        holder = _read(file)
        if holder is None or holder.host != platform.node():  # its processes cannot be asked for here
            continue
        if not _is_alive(holder):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        elif _is_at(holder, device):
            found.append(holder)
    return sorted(found, key=lambda holder: (holder.started, holder.name))


def naming_holders(error: NotEnoughMemoryError, home: Path, device: str) -> NotEnoughMemoryError:
    """The error, followed by who holds the device; the error itself where nobody does."""
    there = holders(home, device)
    models = ", ".join(str(one) for one in there if one.what == "chat")
    runs = ", ".join(str(one) for one in there if one.what == "job")
    if models and runs:
        return NotEnoughMemoryError(
            "{error} The chat holds memory there: {models}; so do jobs: {runs}. Unload or stop what can be "
            "spared, then try again.",
            error=error,
            models=models,
            runs=runs,
        )
    if models:
        return NotEnoughMemoryError(
            "{error} The chat holds memory there: {models}; unload what can be spared, then try again.",
            error=error,
            models=models,
        )
    if runs:
        return NotEnoughMemoryError(
            "{error} Jobs hold memory there: {runs}; stop what can be spared, or wait for its end, then try "
            "again.",
            error=error,
            runs=runs,
        )
    return error


def _place(device: str) -> str:
    """The machine's own name of a device."""
    kind, _, index = device.partition(":")
    if device == "mps":  # has the memory of the machine
        return "cpu"
    return f"{kind}:{gpu_name(int(index), os.environ)}" if index.isdecimal() else device


def _is_at(holder: Holder, device: str) -> bool:
    kind, _, name = holder.device.partition(":")
    if device == ANY_GPU:
        visible = visible_gpus(os.environ)
        return kind == device and (visible is None or name in visible)
    return device == ANY or holder.device == _place(device)


def _write(file: Path, holder: Holder) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".half")
    try:
        beside.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        os.replace(beside, file)  # a reader sees all of it or nothing
    finally:
        beside.unlink(missing_ok=True)


def _read(file: Path) -> Holder | None:
    try:
        if not file.is_file():  # a pipe would hold the reader up
            return None
        values: Any = json.loads(file.read_text(encoding="utf-8"))
        holder = Holder(**values)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (holder.name, holder.what, holder.device, holder.host)
    is_sound = (
        all(isinstance(text, str) for text in texts)
        and type(holder.bytes) is type(holder.pid) is int
        and 0 < holder.pid < 1 << 31
        and 0 <= holder.bytes < 1 << 62
        and type(holder.started) is float
        and math.isfinite(holder.started)
    )
    return holder if is_sound else None


def _is_alive(holder: Holder) -> bool:
    """Whether its process is there still; another one may have got the number since."""
    import psutil

    if holder.pid == os.getpid():
        return True
    try:
        process = psutil.Process(holder.pid)
        is_same = process.create_time() <= holder.started + CLOCK_SECONDS
        return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
