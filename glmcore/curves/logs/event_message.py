"""Decodes the `Event` protobuf of TensorBoard's event files, as far as it holds scalars.

Read by hand, since protobuf's classes for it come only with TensorBoard or with tensorboardX, which starts
torch, and do not tell where in the bytes a value lies. Fields: TensorFlow's `event.proto`, `summary.proto`,
`tensor.proto`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from glmcore.curves.metric_names import canonical

LONGEST_NAME = 500  # letters
NO_PLACE = -1

# Keys of fields as they are written: number << 3 | kind.
TIME, STEP, SUMMARY = 0x09, 0x10, 0x2A  # of Event
VALUE = 0x0A  # of Summary
TAG, SIMPLE_VALUE, TENSOR, METADATA = 0x0A, 0x15, 0x42, 0x4A  # of Summary.Value
PLUGIN, PLUGIN_NAME = 0x0A, 0x0A  # of SummaryMetadata, of its PluginData
TYPE, SHAPE, CONTENT = 0x08, 0x12, 0x22  # of TensorProto
DIMENSION, DIMENSION_SIZE = 0x12, 0x08  # of TensorShapeProto, of its Dim

FLOAT, DOUBLE, VARINT = "<f", "<d", "varint"
CONTENT_FORMS = {1: FLOAT, 2: DOUBLE, 3: "<i", 9: "<q"}  # by TYPE
# float_val, double_val, int_val and int64_val: each packed, and as a field of its own.
VALUE_FORMS = {
    **{0x2A: FLOAT, 0x2D: FLOAT, 0x32: DOUBLE, 0x31: DOUBLE},
    **{0x3A: VARINT, 0x38: VARINT, 0x52: VARINT, 0x50: VARINT},
}
_NUM_BYTES = {1: 8, 5: 4}  # of the kinds of fields that have always as many
_VARINT_KIND, _LENGTH_KIND = 0, 2


class NoEventError(ValueError):
    """The bytes are no protobuf of an event."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value of a metric; `place` is where it lies as four bytes of a float, NO_PLACE if it does not."""

    name: str
    value: float
    place: int


@dataclass(slots=True)
class Event:
    """The part of an event that was read; time and step are None where that part has none."""

    time: float | None = None
    step: int | None = None
    scalars: list[Scalar] = field(default_factory=list)


def read_event(data: bytes, at: int, end: int) -> Event:
    """Decode the fields of an event that lie between two places of `data`.

    Raises:
        NoEventError: they are none.
    """
    if at > end:
        raise NoEventError
    event = Event()
    for key, start, stop in _fields(data, at, end):
        if key == TIME:
            event.time = struct.unpack_from(DOUBLE, data, start)[0]
        elif key == STEP:
            event.step = _signed(_varint(data, start, stop)[0])
        elif key == SUMMARY:
            values = [_read_value(data, *place) for place in _inner(data, start, stop, VALUE)]
            event.scalars += [scalar for scalar in values if scalar]
    return event


def _read_value(data: bytes, at: int, end: int) -> Scalar | None:
    """A value of a summary; None if it is an image, a histogram or the like."""
    tag, plugin, simple, tensor = b"", b"", None, None
    for key, start, stop in _fields(data, at, end):
        if key == TAG:
            tag = data[start:stop]
        elif key == SIMPLE_VALUE:
            simple = struct.unpack_from(FLOAT, data, start)[0], start
        elif key == TENSOR:
            tensor = _read_tensor(data, start, stop)
        elif key == METADATA:
            names = [_inner(data, *place, PLUGIN_NAME) for place in _inner(data, start, stop, PLUGIN)]
            plugin = b"".join(data[first:last] for places in names for first, last in places)
    # A tensor of another plugin is no curve, whatever it holds.
    found = simple or (tensor if plugin in (b"", b"scalars") else None)
    if found is None or not tag:
        return None
    return Scalar(canonical(tag.decode("utf-8", "replace")[:LONGEST_NAME]), *found)


def _read_tensor(data: bytes, at: int, end: int) -> tuple[float, int] | None:
    """The number that a tensor of one element holds, and its place; None of any other tensor."""
    found, content_form = None, ""
    for key, start, stop in _fields(data, at, end):
        if key == TYPE:
            content_form = CONTENT_FORMS.get(_varint(data, start, stop)[0], "")
        elif key == SHAPE:
            if not _has_one_element(data, start, stop):
                return None
        elif form := content_form if key == CONTENT else VALUE_FORMS.get(key):
            if found is not None:
                return None
            found = _read_number(data, start, stop, form)
    return found


def _has_one_element(data: bytes, at: int, end: int) -> bool:
    """Whether all dimensions of a shape are 1; a size of 0 is not written."""
    dimensions = [_inner(data, *place, DIMENSION_SIZE) for place in _inner(data, at, end, DIMENSION)]
    return all([_varint(data, *size)[0] for size in sizes] == [1] for sizes in dimensions)


def _read_number(data: bytes, start: int, stop: int, form: str) -> tuple[float, int] | None:
    if form == VARINT:
        number, after = _varint(data, start, stop)
        return (float(_signed(number)), NO_PLACE) if after == stop else None
    if stop - start != struct.calcsize(form):
        return None
    return float(struct.unpack_from(form, data, start)[0]), start if form == FLOAT else NO_PLACE


def _inner(data: bytes, at: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Where the fields of one key lie in a message."""
    return [(start, stop) for key, start, stop in _fields(data, at, end) if key == wanted]


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Key, begin and end of each field of a message."""
    while at < end:
        key, start = _varint(data, at, end)
        kind = key & 7
        if kind == _LENGTH_KIND:
            length, start = _varint(data, start, end)
            at = start + length
        elif kind == _VARINT_KIND:
            at = _varint(data, start, end)[1]
        elif kind in _NUM_BYTES:
            at = start + _NUM_BYTES[kind]
        else:
            raise NoEventError
        if at > end:
            raise NoEventError
        yield key, start, at


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of up to ten bytes, and where it ends."""
    if at < end and data[at] < 128:  # nearly all
        return data[at], at + 1
    number = 0
    for place in range(at, min(end, at + 10)):
        byte = data[place]
        number |= (byte & 127) << 7 * (place - at)
        if byte < 128:
            return number, place + 1
    raise NoEventError


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
