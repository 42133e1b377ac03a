"""Event files made by hand, and what is read of them."""

import struct

from google_crc32c import value as crc32c
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboardX.proto.tensor_pb2 import TensorProto
from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

from glmcore.curves.logs.event_file import EventFile
from glmcore.curves.table import PointTable

FLOAT, DOUBLE, INT32, STRING, INT64 = 1, 2, 3, 7, 9  # types of tensors


def record(content: bytes) -> bytes:
    def masked(data):
        checksum = crc32c(data)
        return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


def event(*values: Summary.Value, step: int = 1, time: float = 1e9) -> bytes:
    return record(Event(wall_time=time, step=step, summary=Summary(value=values)).SerializeToString())


def simple(tag: str, value: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, *dimensions: int, plugin: str | None = "scalars", **fields) -> Summary.Value:
    dims = [TensorShapeProto.Dim(size=size) for size in dimensions]
    proto = TensorProto(tensor_shape=TensorShapeProto(dim=dims), **fields)
    metadata = plugin and SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    return Summary.Value(tag=tag, tensor=proto, metadata=metadata or None)


def losses(count: int, first: int = 1) -> list[bytes]:
    steps = range(first, first + count)
    return [event(simple("loss", 1 / step), step=step, time=1e9 + step) for step in steps]


def read(data: bytes, parser: EventFile | None = None) -> tuple[PointTable, EventFile, int]:
    parser = parser or EventFile()
    block, used = parser.parse(data, at_end=True)
    table = PointTable()
    table.append(block)
    return table, parser, used


def written(table: PointTable, name: str) -> tuple[list[float], list[float]]:
    """Steps and values in the order of the file, which `series` would stitch."""
    steps, _times, metrics = table.to_arrays()
    rows, values = metrics[name]
    return steps[rows].tolist(), values.tolist()
