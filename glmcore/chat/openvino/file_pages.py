"""Gives back the memory of weights that OpenVINO has read from their file and laid out anew.

The file stays mapped, so all of it would count as resident beside its copy: 142 of 640 MB with the embedded
model. What is needed of it again, such as rows of the embedding, comes from the system's cache of files.
"""

import ctypes
import mmap
import sys
from pathlib import Path


def hand_back(folder: Path) -> None:
    """Drop the pages of this folder's files that this process only reads; nothing elsewhere than on Linux."""
    if sys.platform != "linux":
        return
    libc, place = ctypes.CDLL(None), folder.resolve()
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        span, access, _offset, _device, _inode, *path = line.split(maxsplit=5)
        if path and "w" not in access and Path(path[0]).parent == place:
            begin, end = (int(address, 16) for address in span.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
