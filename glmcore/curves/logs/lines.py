"""Whole lines of a log, cut from the bytes that were read."""

from typing import Any

from glmcore.core.i18n import mark
from glmcore.curves.logs.parsing import Problems

LONGEST_LINE = 1 << 20
INSIDE_LONG_LINE = "inside_long_line"

LONG_LINES = mark("{count} lines longer than 1 MiB were skipped ({example}).")


def as_utf8(data: bytes) -> bytes:
    """The same bytes, with what is no UTF-8 replaced: a broken letter in a name costs no numbers."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode()


def cut_lines(data: bytes, memory: dict[str, Any], problems: Problems) -> tuple[bytes, bytes, int]:
    """The whole lines of `data`, the unfinished one after them, and how many bytes the whole ones take.

    Lines longer than 1 MiB are left out and counted, also when they come in parts.
    """
    begin = 0
    if memory.get(INSIDE_LONG_LINE):
        begin = data.find(b"\n") + 1
        if not begin:
            return b"", b"", len(data)
        memory[INSIDE_LONG_LINE] = False
    whole, kept = [], begin
    while True:
        end = data.rfind(b"\n", begin, begin + LONGEST_LINE) + 1
        if not end:
            whole.append(data[kept:begin])
            if len(data) - begin <= LONGEST_LINE:
                return b"".join(whole), data[begin:], begin
            problems.add(LONG_LINES, data[begin : begin + 80].decode("utf-8", "replace"))
            kept = end = data.find(b"\n", begin) + 1
            if not end:
                memory[INSIDE_LONG_LINE] = True
                return b"".join(whole), b"", len(data)
        begin = end
