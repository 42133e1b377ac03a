"""What a .safetensors file says about itself: an 8-byte length, then JSON, then the data, which is not read.

The format is described by its project's README (huggingface/safetensors, "Format").
"""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from glmcore.core.errors import ModelLoadError

MAX_HEADER_BYTES = 100_000_000  # the format's own limit


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """Tensor name -> {"dtype": "BF16", "shape": [...], "data_offsets": [begin, end]}.

    Raises:
        ModelLoadError: the file is not safetensors, or ends before its tensors do.
    """
    try:
        header, header_bytes = _read_header(path)
        size = path.stat().st_size
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        for entry in header.values():
            str(entry["dtype"]), prod(entry["shape"])  # raise where they are of no use
    except (struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as fault:
        raise ModelLoadError(
            "{path} is not a readable safetensors file ({fault}); copy or download it again.",
            path=path,
            fault=fault,
        ) from fault
    except OSError as fault:
        raise ModelLoadError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror) from fault
    expected = 8 + header_bytes + end
    if size != expected:
        raise ModelLoadError(
            "{path} has {size} bytes, but its header speaks of {expected}: it is truncated or damaged; "
            "copy or download it again.",
            path=path,
            size=size,
            expected=expected,
        )
    return header


def _read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    with path.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        if header_bytes > min(MAX_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"a header of {header_bytes} bytes is announced")
        header = json.loads(file.read(header_bytes))
    header.pop("__metadata__", None)
    return header, header_bytes
