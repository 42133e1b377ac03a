"""The bytes of an import, bounded: of a file, or of the conversations in a .zip; always valid UTF-8."""

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from glmcore.core.errors import DataError

MAX_BYTES = 2 << 30
CHUNK_BYTES = 1 << 16
MAX_RATIO = 200  # texts of chats shrink to a tenth; what shrinks so much more was made to burst
RATIO_MATTERS_BYTES = 16 << 20
_ZIP_START = b"PK\x03\x04"
_CONVERSATIONS = re.compile(r"conversations(-\d+)?\.json")


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The name of what is read, and its bytes in pieces.

    Raises:
        DataError: it cannot be read, is too large, or is an archive without conversations; also from the
            pieces.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise _too_large(path.name, max_bytes)
        with path.open("rb") as file:
            is_zip = file.read(len(_ZIP_START)) == _ZIP_START
            file.seek(0)
            if not is_zip:
                yield path.name, _utf8(_pieces(file, path.name, max_bytes))
                return
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, path.name, max_bytes)
                yield members[0].filename, _utf8(_archived(archive, members, path.name, max_bytes))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as fault:
        raise DataError("{name}: the .zip is damaged; download it again.", name=path.name) from fault
    except OSError as fault:
        raise DataError("{name} cannot be read ({fault}).", name=path.name, fault=fault.strerror) from fault


def _members(archive: zipfile.ZipFile, name: str, max_bytes: int) -> list[zipfile.ZipInfo]:
    files = [member for member in archive.infolist() if not member.is_dir()]
    found = [each for each in files if _CONVERSATIONS.fullmatch(PurePosixPath(each.filename).name)]
    found = found or [each for each in files if each.filename.endswith((".json", ".jsonl"))]
    if not found or (len(found) > 1 and not _CONVERSATIONS.fullmatch(PurePosixPath(found[0].filename).name)):
        raise DataError("{name}: the .zip has no conversations.json; unpack it and choose a file.", name=name)
    for member in found:
        if member.flag_bits & 1:
            raise DataError("{name}: the .zip has a password; unpack it first.", name=name)
        is_bomb = member.file_size > MAX_RATIO * max(member.compress_size, 1)
        if is_bomb and member.file_size > RATIO_MATTERS_BYTES:
            raise DataError(
                "{name}: {member} would become {size:,} bytes of {packed:,}, as no chats do; "
                "unpack it yourself if you trust it.",
                name=name,
                member=member.filename,
                size=member.file_size,
                packed=member.compress_size,
            )
    if sum(member.file_size for member in found) > max_bytes:
        raise _too_large(name, max_bytes)
    return sorted(found, key=lambda member: member.filename)


def _archived(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], name: str, max_bytes: int
) -> Iterator[bytes]:
    for member in members:
        with archive.open(member) as file:
            yield from _pieces(file, name, max_bytes)
        yield b"\n"  # the next file is a value of its own


def _pieces(file: IO[bytes], name: str, max_bytes: int) -> Iterator[bytes]:
    """What is there, whatever size it said it has."""
    num_bytes = 0
    while piece := file.read(CHUNK_BYTES):
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise _too_large(name, max_bytes)
        yield piece


def _utf8(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same text in UTF-8 without a mark; what is none is replaced."""
    first = next(pieces, b"")
    is_wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8-sig")(errors="replace")
    yield decoder.decode(first).encode()
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


def _too_large(name: str, max_bytes: int) -> DataError:
    return DataError(
        "{name} has more than {limit:,} bytes; split it into several files.",
        name=name,
        limit=max_bytes,
    )
