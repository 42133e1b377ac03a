"""What was read of a log, kept on disk as plain arrays, so that opening it again maps them into memory.

A file is a JSON object behind its checksum (what was read, how far, by what memory) and the columns as raw
numbers. Nothing in it is trusted to be more than that, and a cache that is broken is left aside.
"""

import json
import logging
import os
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.places import Place
from glmcore.curves.numbers import AnyArray
from glmcore.curves.table import PointTable

log = logging.getLogger("glmcore.curves")

VERSION = 1
ALIGNMENT = 64
PREFIX_BYTES = 16  # checksum and length of the header that follows, as hexadecimal digits
KEEP_BYTES = 2 << 30  # of all caches together
MAPPED_BYTES = 8 << 20  # smaller ones are read: each mapped file costs a file descriptor
ABANDONED_SECONDS = 3600.0  # a half-written cache so old is nobody's


@dataclass(frozen=True, slots=True)
class Kept:
    """What reading goes on from."""

    table: PointTable
    places: list[Place]
    memory: dict[str, Any]
    problems: Problems


class CurveCache:
    """A folder of files, one per log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> Kept | None:
        """What was kept under a key; None where there is nothing, or nothing that can be used."""
        path = self._path(key)
        try:
            kept = _unpacked(_bytes_of(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
            log.warning("the cache of a log is not used (%s)", fault)
            return None
        with suppress(OSError):
            os.utime(path)  # for `_make_room`
        return kept

    def save(
        self,
        key: str,
        table: PointTable,
        places: Sequence[Place],
        memory: Mapping[str, Any],
        problems: Problems,
    ) -> None:
        """Keep what was read. A disk that is full costs the cache only."""
        path = self._path(key)
        beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                for piece in _packed(table, places, memory, problems):
                    file.write(piece)
            os.replace(beside, path)
            self._make_room(path)
        except OSError as fault:
            with suppress(OSError):
                beside.unlink()
            log.warning("the cache of a log was not written (%s)", fault)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.columns"

    def _make_room(self, newest: Path) -> None:
        """Remove the caches that were not used for longest, and what killed processes left."""
        for changed_at, _, path in self._files(".*.columns.*"):
            if time.time() - changed_at > ABANDONED_SECONDS:
                path.unlink(missing_ok=True)
        files = self._files("*.columns")
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total > KEEP_BYTES and path != newest:
                path.unlink(missing_ok=True)
                total -= size

    def _files(self, pattern: str) -> list[tuple[float, int, Path]]:
        """Time of change, size and path of files; other threads may take theirs away meanwhile."""
        found = []
        for path in self._folder.glob(pattern):
            with suppress(FileNotFoundError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        return found


def _packed(
    table: PointTable, places: Sequence[Place], memory: Mapping[str, Any], problems: Problems
) -> Iterator[bytes | memoryview]:
    steps, times, metrics = table.to_arrays()
    header = {
        "version": VERSION,
        "places": [asdict(place) for place in places],
        "memory": dict(memory),
        "counts": problems.counts,
        "examples": problems.examples,
        "last_step": table.last_step,
        "dropped": sorted(table.dropped_metrics)[:1000],
        "rows": len(steps),
        "metrics": [[name, len(values)] for name, (_, values) in metrics.items()],
    }
    text = json.dumps(header, ensure_ascii=True).encode()
    text += b" " * (-(len(text) + PREFIX_BYTES) % ALIGNMENT)  # so that columns are aligned
    yield b"%08x%08x" % (zlib.crc32(text), len(text)) + text
    for array in (steps, times):
        yield from _padded(array)
    for rows, values in metrics.values():
        yield from _padded(rows)
        yield from _padded(values)


def _padded(array: AnyArray) -> Iterator[bytes | memoryview]:
    whole = np.ascontiguousarray(array)
    yield whole.view(np.uint8).data
    yield b"\0" * (-whole.nbytes % ALIGNMENT)


def _bytes_of(path: Path) -> AnyArray:
    """The file's bytes, mapped into memory if they are many; not to be written to."""
    data: AnyArray
    if path.stat().st_size >= MAPPED_BYTES:
        data = np.asarray(np.memmap(path, np.uint8, "r"))
    else:
        data = np.fromfile(path, np.uint8)
        data.flags.writeable = False
    return data


def _unpacked(data: AnyArray) -> Kept:
    """Columns are views into the file.

    Raises:
        ValueError, KeyError, TypeError: it is no cache of ours, or of another version.
    """
    prefix = data[:PREFIX_BYTES].tobytes()
    place = PREFIX_BYTES + int(prefix[8:], 16)
    text = data[PREFIX_BYTES:place].tobytes()
    if int(prefix[:8], 16) != zlib.crc32(text):
        raise ValueError("its beginning is broken")
    header = json.loads(text)
    if header["version"] != VERSION:
        raise ValueError("of another version")

    def take(count: int, dtype: type) -> AnyArray:
        nonlocal place
        size = count * np.dtype(dtype).itemsize
        if count < 0 or place + size > len(data):
            raise ValueError("it was cut")
        found: AnyArray = data[place : place + size].view(dtype)
        place += size + -size % ALIGNMENT
        return found

    num_rows = header["rows"]
    steps, times = take(num_rows, np.float64), take(num_rows, np.float64)
    metrics = {name: (take(count, np.uint32), take(count, np.float64)) for name, count in header["metrics"]}
    if place != len(data) or any(len(rows) > num_rows for rows, _ in metrics.values()):
        raise ValueError("its columns do not fit together")
    table = PointTable.from_arrays(steps, times, metrics, header["last_step"])
    table.dropped_metrics = set(header["dropped"])
    problems = Problems(dict(header["counts"]), dict(header["examples"]))
    places = [Place(**one) for one in header["places"]]
    return Kept(table, places, dict(header["memory"]), problems)
