"""What was read of a log, kept on disk as plain arrays, so that opening it again maps them into memory.

A file is a line of JSON (what was read, how far, by what memory) and the columns as raw numbers. Nothing in
it is trusted to be more than that, and a cache that does not fit its log, or is broken, is left aside.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glmcore.curves.logs.parsing import Problems
from glmcore.curves.numbers import AnyArray
from glmcore.curves.table import PointTable

log = logging.getLogger("glmcore.curves")

VERSION = 1
ALIGNMENT = 64
LARGEST_HEADER = 16 << 20
KEEP_BYTES = 2 << 30  # of all caches together


@dataclass(frozen=True, slots=True)
class Kept:
    """What reading goes on from."""

    table: PointTable
    places: list[dict[str, Any]]
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
            data = np.memmap(path, np.uint8, "r")
            return _unpacked(data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as fault:
            log.warning("the cache of a log is not used (%s)", fault)
            return None

    def save(
        self,
        key: str,
        table: PointTable,
        places: list[dict[str, Any]],
        memory: Mapping[str, Any],
        problems: Problems,
    ) -> None:
        """Keep what was read. A disk that is full costs the cache only."""
        path = self._path(key)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                for piece in _packed(table, places, memory, problems):
                    file.write(piece)
            os.replace(beside, path)
            self._make_room(path)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            log.warning("the cache of a log was not written (%s)", fault)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.columns"

    def _make_room(self, newest: Path) -> None:
        """Remove the caches that were not used for longest."""
        files = [(path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob("*.columns")]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= KEEP_BYTES or path == newest:
                break
            path.unlink(missing_ok=True)
            total -= size


def _packed(
    table: PointTable, places: list[dict[str, Any]], memory: Mapping[str, Any], problems: Problems
) -> Iterator[bytes | memoryview]:
    steps, times, metrics = table.to_arrays()
    header = {
        "version": VERSION,
        "places": places,
        "memory": dict(memory),
        "counts": problems.counts,
        "examples": problems.examples,
        "last_step": table.last_step,
        "dropped": sorted(table.dropped_metrics)[:1000],
        "rows": len(steps),
        "metrics": [[name, len(values)] for name, (_, values) in metrics.items()],
    }
    text = json.dumps(header, ensure_ascii=True).encode() + b"\n"
    yield text.rjust(-(-len(text) // ALIGNMENT) * ALIGNMENT)  # blanks in front, so that columns are aligned
    for array in (steps, times):
        yield from _padded(array)
    for rows, values in metrics.values():
        yield from _padded(rows)
        yield from _padded(values)


def _padded(array: AnyArray) -> Iterator[bytes | memoryview]:
    whole = np.ascontiguousarray(array)
    yield memoryview(whole).cast("B") if len(whole) else b""
    yield b"\0" * (-whole.nbytes % ALIGNMENT)


def _unpacked(data: Any) -> Kept:
    """Columns are views into the mapped file.

    Raises:
        ValueError, KeyError, TypeError: it is no cache of ours, or of another version.
    """
    end = int(np.argmax(data[:LARGEST_HEADER] == 10))
    header = json.loads(bytes(data[:end]))
    if header["version"] != VERSION:
        raise ValueError("another version")
    place = end + 1

    def take(count: int, dtype: type) -> AnyArray:
        nonlocal place
        size = count * np.dtype(dtype).itemsize
        if count < 0 or place + size > len(data):
            raise ValueError("shorter than it says")
        found: AnyArray = data[place : place + size].view(dtype)
        place += size + -size % ALIGNMENT
        return found

    steps, times = take(header["rows"], np.float64), take(header["rows"], np.float64)
    metrics = {
        str(name): (take(count, np.uint32), take(count, np.float64)) for name, count in header["metrics"]
    }
    table = PointTable.from_arrays(steps, times, metrics, header["last_step"])
    table.dropped_metrics = set(header["dropped"])
    problems = Problems(dict(header["counts"]), dict(header["examples"]))
    return Kept(table, header["places"], dict(header["memory"]), problems)
