"""Writes a training set into a folder of its own: there whole or not at all, and never changed afterwards."""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from glmcore.core.errors import ConflictError, DataError, StorageError
from glmcore.history.store import HistoryStore
from glmcore.history.training_sets.choice import TrainingSetChoice
from glmcore.history.training_sets.making import PREFERENCES, TRAIN, Tally, line_of, lines
from glmcore.history.training_sets.records import (
    DATASET_FILE,
    SetFile,
    TrainingSet,
    checked_name,
    read_training_set,
    whole_hash,
    written,
)

UNFINISHED = ".unfinished"
READ_ONLY_FILE, READ_ONLY_FOLDER = 0o444, 0o555


def write_training_set(
    store: HistoryStore, owner: str, name: str, choice: TrainingSetChoice, home: Path
) -> TrainingSet:
    """Write what is chosen as the next version of the name, below `datasets` in the home folder.

    Where a version of that name has the same choice and the same rows, it is given back and nothing is added.

    Raises:
        DataError: the name cannot be used, the query cannot be understood, or there is nothing to learn.
        ConflictError: another window writes a set of that name.
        StorageError: the disk is full or cannot be written.
    """
    name = checked_name(name)
    place = home / "datasets" / name
    with _explained(place), _held(place, name):
        unfinished = place / UNFINISHED
        _remove(unfinished)  # of a program that was killed
        try:
            unfinished.mkdir()
            tally = Tally()
            files = _write_files(store, owner, choice, unfinished, tally)
            _check_worth(tally)
            new = _described(place, name, choice, tally, files)
            same = _same(place, new.sha256)
            if same is None:
                _freeze(unfinished, new)
        finally:
            _remove(unfinished)
    return same or replace(new, is_new=True)


def _described(
    place: Path, name: str, choice: TrainingSetChoice, tally: Tally, files: dict[str, SetFile]
) -> TrainingSet:
    version = max(_versions(place), default=0) + 1
    return TrainingSet(
        folder=place / str(version),
        name=name,
        version=version,
        created_at=time.time(),
        choice=choice,
        counts=tally.counts,
        dropped={reason.value: count for reason, count in sorted(tally.dropped.items())},
        files=files,
        sha256=whole_hash(choice.to_dict(), {name: asdict(file) for name, file in files.items()}),
    )


def _same(place: Path, digest: str) -> TrainingSet | None:
    """The version that was written of the same choice and holds the same."""
    for version in _versions(place):
        with suppress(DataError):  # what cannot be read is not the same
            there = read_training_set(place / str(version))
            if there.sha256 == digest:
                return there
    return None


def _write_files(
    store: HistoryStore, owner: str, choice: TrainingSetChoice, folder: Path, tally: Tally
) -> dict[str, SetFile]:
    written_files: dict[str, _Written] = {}
    with ExitStack() as opened:
        for name, made in lines(store, owner, choice, tally):
            if name not in written_files:
                written_files[name] = _Written(opened.enter_context((folder / name).open("wb")))
            written_files[name].add(line_of(made))
        return {name: written_files[name].close() for name in sorted(written_files)}


class _Written:
    """A file of lines that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self._rows = self._bytes = 0

    def add(self, line: bytes) -> None:
        self._file.write(line)
        self._hash.update(line)
        self._rows += 1
        self._bytes += len(line)

    def close(self) -> SetFile:
        """What was written, once it has reached the disk."""
        _synced(self._file)
        return SetFile(rows=self._rows, bytes=self._bytes, sha256=self._hash.hexdigest())


def _check_worth(tally: Tally) -> None:
    """Refuse a set from which nothing can be learnt."""
    if tally.num_rows + tally.num_pairs == 0:
        raise DataError(
            "No answer of these conversations can be taught; choose more conversations or other kinds of "
            "answers, or judge some answers first."
        )
    if not tally.lines[TRAIN] and not tally.lines[PREFERENCES]:
        raise DataError(
            "All {count} rows are kept apart for validation and test, so there is none to train on; lower "
            "these shares, or choose another seed.",
            count=tally.num_rows,
        )


def _freeze(unfinished: Path, found: TrainingSet) -> None:
    """Give the folder its place, read-only; whoever looks sees all of it or nothing."""
    with (unfinished / DATASET_FILE).open("wb") as file:
        file.write(written(found).encode())
        _synced(file)
    for path in unfinished.iterdir():
        path.chmod(READ_ONLY_FILE)
    unfinished.chmod(READ_ONLY_FOLDER)
    _sync_folder(unfinished)
    unfinished.rename(found.folder)
    _sync_folder(found.folder.parent)


def _versions(place: Path) -> list[int]:
    """The numbers that are taken, whatever has them."""
    return [int(path.name) for path in place.iterdir() if path.name.isascii() and path.name.isdecimal()]


def _remove(unfinished: Path) -> None:
    if unfinished.exists():
        unfinished.chmod(0o755)  # it may have been made read-only already
        shutil.rmtree(unfinished)


@contextmanager
def _held(place: Path, name: str) -> Iterator[None]:
    """The name for this writer alone."""
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / ".lock", timeout=0):
            yield
    except Timeout as fault:
        raise ConflictError(
            "A data set {name!r} is being written in another window; wait until it is there, then look "
            "whether you still need yours.",
            name=name,
        ) from fault


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "The disk of {folder} is full, so the data set was not written; free some space and write "
                "it again.",
                folder=place,
            ) from fault
        raise StorageError(
            "{folder} cannot be written: {fault}; the data set was not written.",
            folder=place,
            fault=fault.strerror or fault,
        ) from fault


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
