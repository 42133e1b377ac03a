"""The data sets: uploads and what else is in the home folder, folders of `data_roots`, the shipped demo.

A page shows rows of no other files: whoever opens it must not read the server's disk.
"""

import errno
import filecmp
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from glmcore.core.errors import DataError, StorageError
from glmcore.core.settings import Settings
from glmcore.jobs.text_encoding import guess_encoding
from glmcore.tuning.data.rows import iter_rows
from glmcore.tuning.job_config.checks import ENDINGS

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "demo"
UPLOADS = "uploads"
MOST_FILES = 1000  # that are listed; a folder of more is no place to choose from
OF_TRAINING_SETS = ("dataset.json", "preferences.jsonl")  # beside the rows
LONGEST_STEM = 60  # characters; of Chinese ones three bytes each
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of rows. `name` is its place in the data sets; `changed` seconds since 1970."""

    path: Path
    name: str
    bytes: int
    changed: float
    is_shipped: bool = False


class DataFiles:
    """May be used from any thread and process."""

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(os.path.abspath(settings.home / "datasets"))
        self._further = tuple(Path(os.path.abspath(root)) for root in settings.data_roots)

    @property
    def uploads(self) -> Path:
        return self.folder / UPLOADS

    def save(self, name: str, content: bytes | BinaryIO) -> Path:
        """Keep an uploaded file under its name; the same content again is the same file.

        Another content under a name that is taken gets a number. A file that cannot be read as rows leaves
        nothing behind.

        Raises:
            DataError: its ending is unknown, or it is broken; in a sentence that names it.
            StorageError: the disk refused.
        """
        target = self.uploads / safe_name(name)
        beside = self.uploads / f".{secrets.token_hex(8)}{target.suffix}"
        try:
            self.uploads.mkdir(parents=True, exist_ok=True)
            try:
                _write(beside, BytesIO(content) if isinstance(content, bytes) else content)
                _check_rows(beside, target.name)
                with FileLock(self.uploads / ".lock"):
                    return _placed(beside, target)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as fault:
            raise _refused(self.uploads, fault) from fault

    def confined(self, path: Path) -> Path:
        """The path, if it leads to a data set.

        Links are followed, as only who runs the server can put one there.

        Raises:
            DataError: it leads elsewhere.
        """
        found = Path(os.path.abspath(path))
        if ".." not in path.parts and any(
            found.is_relative_to(root) for root in (self.folder, *self._further, SHIPPED)
        ):
            return found
        raise DataError(
            "{path} is not among the data sets, so no page reads it; upload it, put it into {folder}, or "
            "name its folder in data_roots.",
            path=path,
            folder=self.folder,
        )

    def list(self) -> "list[DataFile]":
        """The newest first, those of the demo last."""
        further = (_iter_files(root, root.parent) for root in self._further)
        own = chain(_iter_files(self.folder, self.folder), *further)
        newest = sorted(own, key=lambda file: (-file.changed, file.name))
        shipped = _iter_files(SHIPPED, SHIPPED.parent, is_shipped=True)
        return [*newest, *sorted(shipped, key=lambda file: file.name)]


def safe_name(name: str) -> str:
    """The last part of a name, without what a file system or a reader could take for something else.

    Raises:
        DataError: its ending is none of a data file.
    """
    stem, ending = os.path.splitext(re.split(r"[\\/]", name)[-1])
    if ending.lower() not in ENDINGS:
        raise DataError(
            "{name!r} has no known ending; expected one of {endings}.", name=name, endings=" ".join(ENDINGS)
        )
    kept = re.sub(r"[^\w.()+-]+", "_", stem).strip("._")[:LONGEST_STEM]
    return (kept or "data") + ending.lower()


def _write(path: Path, content: BinaryIO) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _check_rows(path: Path, name: str) -> None:
    """Read the file once, so that a broken one is refused while who uploaded it is still there."""
    try:
        for _ in iter_rows(path, guess_encoding(path)):
            pass
    except DataError as fault:
        fault.values["path"] = name  # not that of the hidden file
        raise


def _placed(beside: Path, target: Path) -> Path:
    """Move the file to its place, or to the first free name after it, unless it is there already."""
    numbered = (target.with_name(f"{target.stem}-{number}{target.suffix}") for number in count(2))
    for candidate in chain([target], numbered):
        if not os.path.lexists(candidate):
            beside.replace(candidate)
            return candidate
        if candidate.is_file() and filecmp.cmp(beside, candidate, shallow=False):
            return candidate
    raise AssertionError("there is always a free number")


def _refused(folder: Path, fault: OSError) -> StorageError:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "The disk of {folder} is full, so the file was not kept; free some space and upload it again.",
            folder=folder,
        )
    return StorageError(
        "{folder} cannot be written: {fault}; the file was not kept.",
        folder=folder,
        fault=fault.strerror or fault,
    )


def _iter_files(root: Path, named_from: Path, *, is_shipped: bool = False) -> Iterator[DataFile]:
    """The data files below a folder, without hidden ones; what cannot be read is skipped."""
    found = 0
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or name in OF_TRAINING_SETS or path.suffix.lower() not in ENDINGS:
                continue
            try:
                stat = path.stat()
            except OSError:  # a link to nothing, or removed meanwhile
                continue
            found += 1
            if found > MOST_FILES:
                return
            yield DataFile(
                path=path,
                name=str(path.relative_to(named_from)),
                bytes=stat.st_size,
                changed=stat.st_mtime,
                is_shipped=is_shipped,
            )
