"""Reads TensorBoard's event files: records with checksums, each holding an `Event` protobuf.

Other things than scalars (images, histograms, texts, graphs) are passed over. Nearly all events of a file
differ only in time, step and value: these are taken out of all records together, and what the bytes around
a value mean is decoded once and then looked up. Format of the records: TensorFlow's `record_writer.h`.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmcore.core.i18n import mark
from glmcore.curves.logs.event_message import NO_PLACE, STEP, TIME, Event, NoEventError, Scalar, read_event
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.numbers import FloatArray
from glmcore.curves.table import Block

Places = NDArray[np.int64]

BAD_CHECKSUM = mark("{count} records of event files were skipped: their checksum is wrong.")
BAD_FRAME = mark(
    "{count} times no record began where one should in an event file; a later one was searched for."
)
BAD_EVENT = mark("{count} records of event files were skipped: they hold no event.")

HEAD_BYTES, FOOT_BYTES = 12, 4  # the length and its checksum; the checksum of what lies between
LONGEST_RECORD = (32 << 20) - HEAD_BYTES - FOOT_BYTES  # readers of logs wait for no more than 32 MiB
MOST_TRIES = 100_000  # to find a record in bytes that hold none: a tenth of a second
MAX_REMEMBERED = 50_000
# What may be the head of a record: a length below 4 GiB that is not 0.
_MAYBE_HEAD = re.compile(rb"(?!\0{4}).{4}\0{4}", re.DOTALL)


@dataclass(slots=True)
class _Lookup:
    """Events that have as many bytes after their step and hold one scalar: its name, by all other bytes.

    Attributes:
        reach: bytes from the scalar to the end of the event.
    """

    reach: int
    names: dict[bytes, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Points:
    """Scalars in the order they were written; the value of one without a place in the data is in `others`."""

    events: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    others: dict[int, float] = field(default_factory=dict)

    def add(self, event: int, name: str, place: int) -> None:
        self.events.append(event)
        self.names.append(name)
        self.places.append(place)


class EventFile:
    """A `Parser` of event files: one row for each event that holds scalars."""

    def __init__(self, memory: Mapping[str, Any] | None = None) -> None:
        from google_crc32c import value

        self._crc32c: Callable[[bytes], int] = value
        self.problems = Problems()
        self.memory: dict[str, Any] = dict(memory or {})  # nothing: each record stands for itself
        self._lengths: dict[bytes, int] = {}  # by heads whose checksum is right
        self._lookups: dict[int, _Lookup] = {}
        self._num_names = 0

    def parse(self, data: bytes, *, at_end: bool) -> tuple[Block, int]:
        """Read whole records; one that is half written is left, at the end of the log too."""
        starts, ends, used = self._frame(data)
        is_right = self._are_checksums_right(data, starts, ends)
        self.problems.add(BAD_CHECKSUM, count=int(np.count_nonzero(~is_right)))
        starts, ends = starts[is_right], ends[is_right]
        times, steps, bodies = _times_and_steps(data, starts, ends)
        points = _Points()
        for event, (body, end) in enumerate(zip(bodies.tolist(), ends.tolist(), strict=True)):
            if lookup := self._lookups.get(end - body):
                place = end - lookup.reach
                name = lookup.names.get(data[body:place] + data[place + 4 : end])
                if name is not None:
                    points.add(event, name, place)
                    continue
            found = self._decode(data, body, end)
            times[event] = times[event] if found.time is None else found.time
            steps[event] = steps[event] if found.step is None else found.step
            for scalar in found.scalars:
                points.others[len(points.places)] = scalar.value
                points.add(event, scalar.name, NO_PLACE)
        return _block(data, times, steps, points), used

    def _frame(self, data: bytes) -> tuple[Places, Places, int]:
        """Where the events of whole records begin and end, and how many bytes the records took."""
        starts, ends, at = [], [], 0
        while at + HEAD_BYTES <= len(data):
            head = data[at : at + HEAD_BYTES]
            length = self._lengths.get(head) or self._length(head)
            if not length:
                self.problems.add(BAD_FRAME)
                at = self._find_head(data, at + 1)
                continue
            end = at + HEAD_BYTES + length
            if end + FOOT_BYTES > len(data):
                break
            starts.append(at + HEAD_BYTES)
            ends.append(end)
            at = end + FOOT_BYTES
        return np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), at

    def _length(self, head: bytes) -> int:
        """The length that the head of a record names; 0 if it cannot be one."""
        length, checksum = struct.unpack("<QI", head)
        if not 0 < length <= LONGEST_RECORD or _masked(self._crc32c(head[:8])) != checksum:
            return 0
        if len(self._lengths) >= MAX_REMEMBERED:
            self._lengths.clear()
        self._lengths[head] = length
        return int(length)

    def _find_head(self, data: bytes, at: int) -> int:
        """Where the next record begins, or the first place where one may that is not all there."""
        for _ in range(MOST_TRIES):
            found = _MAYBE_HEAD.search(data, at)
            if not found:
                break
            at = found.start()
            if at + HEAD_BYTES > len(data) or self._length(data[at : at + HEAD_BYTES]):
                return at
            at += 1
        return len(data) - HEAD_BYTES + 1

    def _are_checksums_right(self, data: bytes, starts: Places, ends: Places) -> NDArray[np.bool_]:
        contents = (data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
        found = np.fromiter(map(self._crc32c, contents), np.uint64, len(starts))
        return np.asarray(_masked(found) == _gather(data, ends, "<u4"))

    def _decode(self, data: bytes, body: int, end: int) -> Event:
        """Read one event in full, and remember what its bytes mean if it holds one scalar."""
        try:
            found = read_event(data, body, end)
        except NoEventError:
            self.problems.add(BAD_EVENT)
            return Event()
        if found.time is None and found.step is None and len(found.scalars) == 1:
            scalar = found.scalars[0]
            if scalar.place != NO_PLACE:
                self._remember(data, body, end, scalar)
        return found

    def _remember(self, data: bytes, body: int, end: int, scalar: Scalar) -> None:
        if self._num_names >= MAX_REMEMBERED:
            self._lookups, self._num_names = {}, 0
        lookup = self._lookups.get(end - body)
        if lookup is None or lookup.reach != end - scalar.place:
            lookup = self._lookups[end - body] = _Lookup(end - scalar.place)
        lookup.names[data[body : scalar.place] + data[scalar.place + 4 : end]] = scalar.name
        self._num_names += 1


def _masked(checksum: Any) -> Any:
    """A crc32c, or an array of them, as records store it."""
    turned = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return (turned + 0xA282EAD8) & 0xFFFFFFFF


def _gather(data: bytes, places: Places, dtype: str) -> FloatArray:
    """Numbers that lie at places of `data`, as float64."""
    bytes_of_each = places[:, None] + np.arange(np.dtype(dtype).itemsize)
    found = np.frombuffer(data, np.uint8).take(bytes_of_each, mode="clip").view(dtype)[:, 0]
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return found.astype(np.float64)


def _times_and_steps(data: bytes, starts: Places, ends: Places) -> tuple[FloatArray, FloatArray, Places]:
    """Time and step, with which an event begins unless they are 0, and where the rest of it begins."""
    has_time = _gather(data, starts, "u1") == TIME
    times = np.where(has_time, _gather(data, starts + 1, "<f8"), np.nan)
    bodies = np.where(has_time, starts + 9, starts)
    has_step = (_gather(data, bodies, "u1") == STEP) & (bodies < ends)
    steps, after_steps = _varints(data, bodies + 1)
    return times, np.where(has_step, steps, 0.0), np.where(has_step, after_steps, bodies)


def _varints(data: bytes, places: Places) -> tuple[FloatArray, Places]:
    """Signed numbers of up to ten bytes, and where they end: beyond `data` where one does not."""
    numbers, goes_on, ends = np.zeros(len(places), np.uint64), np.ones(len(places), np.bool_), places.copy()
    for shift in range(0, 70, 7):
        byte = np.where(goes_on, _gather(data, ends, "u1"), 0.0).astype(np.uint64)
        numbers |= (byte & np.uint64(127)) << np.uint64(shift)
        ends += goes_on
        goes_on &= byte > 127
        if not goes_on.any():
            break
    ends[goes_on] = len(data) + 1
    return numbers.view(np.int64).astype(np.float64), ends


def _block(data: bytes, times: FloatArray, steps: FloatArray, points: _Points) -> Block:
    """Rows of the events that hold scalars."""
    values = _gather(data, np.array(points.places, dtype=np.int64), "<f4")
    values[list(points.others)] = list(points.others.values())
    kept, rows = np.unique(np.array(points.events, dtype=np.int64), return_inverse=True)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(points.names))}
    metric = np.fromiter(map(numbers.__getitem__, points.names), np.int64, len(points.names))
    parts = np.split(np.argsort(metric, kind="stable"), np.cumsum(np.bincount(metric))[:-1])
    metrics = {}
    for name, part in zip(numbers, parts, strict=False):  # there is an empty part where there are no points
        at = rows[part]
        is_last = np.append(at[1:] != at[:-1], True)  # of an event that names a metric twice
        metrics[name] = (at[is_last], values[part[is_last]])
    return Block(steps[kept], times[kept], metrics)
