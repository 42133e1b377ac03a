"""A training set that lies in its folder: what its `dataset.json` says, and whether that still holds.

Sets are found below `datasets` in the home folder, as `<name>/<version>/`. They belong to everyone who may
see the data sets, as the training form offers them all.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glmcore.core.errors import DataError
from glmcore.history.training_sets.choice import TrainingSetChoice

FORMAT = 1
DATASET_FILE = "dataset.json"
NAME_CHARS = 60
RESERVED = ("uploads",)  # what people upload lies there


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFile:
    """One file of a set."""

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """One version of a set.

    Attributes:
        counts: conversations, answers, rows, pairs.
        dropped: by the keys of `rows.WHY_DROPPED`.
        files: by name; those without rows are not there.
        sha256: of the choice and of all files.
        is_new: False when the same set was written before and nothing was added.
    """

    folder: Path
    name: str
    version: int
    created_at: float
    choice: TrainingSetChoice
    counts: Mapping[str, int]
    dropped: Mapping[str, int]
    files: Mapping[str, SetFile]
    sha256: str
    is_new: bool = False


def checked_name(name: str) -> str:
    """The name as it is used: letters of any script, digits and . _ - after a letter or digit.

    Raises:
        DataError: it is no such name, is too long, or is taken by the program itself.
    """
    name = unicodedata.normalize("NFC", name.strip())
    kinds = [unicodedata.category(sign)[0] for sign in name]
    fits = 0 < len(name) <= NAME_CHARS and kinds[0] in "LN"
    if fits and all(kind in "LMN" or sign in "._-" for kind, sign in zip(kinds, name, strict=True)):
        if name.casefold() not in RESERVED:
            return name
        raise DataError("The name {name!r} is kept for uploaded files; choose another one.", name=name)
    raise DataError(
        "{name!r} is no name for a data set; expected 1 to {limit} letters, digits, or . _ - and a letter "
        "or digit first.",
        name=name[:NAME_CHARS],
        limit=NAME_CHARS,
    )


def list_training_sets(home: Path) -> tuple[list[TrainingSet], list[DataError]]:
    """The sets, the latest first, and what is wrong with folders that should hold one."""
    found: list[TrainingSet] = []
    problems: list[DataError] = []
    for path in (home / "datasets").glob(f"*/*/{DATASET_FILE}"):
        hidden = any(part.startswith(".") for part in path.parts[-3:-1])
        if not hidden and path.parent.name.isdecimal():
            try:
                found.append(read_training_set(path.parent))
            except DataError as fault:
                problems.append(fault)
    return sorted(found, key=lambda each: (-each.created_at, each.name, -each.version)), problems


def read_training_set(folder: Path) -> TrainingSet:
    """What the folder's `dataset.json` says.

    Raises:
        DataError: it cannot be read, or not by this version.
    """
    path = folder / DATASET_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise DataError(
                "{path} was written by a newer version of the program; use that one to read it.", path=path
            )
        return TrainingSet(
            folder=folder,
            name=str(values["name"]),
            version=int(values["version"]),
            created_at=float(values["created_at"]),
            choice=TrainingSetChoice.from_dict(values["choice"]),
            counts={str(name): int(count) for name, count in values["counts"].items()},
            dropped={str(name): int(count) for name, count in values["dropped"].items()},
            files={str(name): SetFile(**facts) for name, facts in values["files"].items()},
            sha256=str(values["sha256"]),
        )
    except DataError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise DataError(
            "{path} cannot be read ({fault}); the files beside it may still be good, but nothing tells "
            "what they are.",
            path=path,
            fault=fault,
        ) from fault


def written(values: TrainingSet) -> str:
    """The text of `dataset.json`."""
    told: dict[str, Any] = {
        "format": FORMAT,
        "name": values.name,
        "version": values.version,
        "created_at": values.created_at,
        "choice": values.choice.to_dict(),
        "counts": values.counts,
        "dropped": values.dropped,
        "files": {name: asdict(file) for name, file in values.files.items()},
        "sha256": values.sha256,
    }
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def whole_hash(choice: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> str:
    """One hash of the choice and of what every file holds, as `dataset.json` has them."""
    told = json.dumps({"choice": choice, "files": files}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def verify(found: TrainingSet) -> list[DataError]:
    """What is no longer as it was written; reads every file."""
    paths = {found.folder / name: file.sha256 for name, file in found.files.items()}
    problems = [fault for path, digest in paths.items() if (fault := _changed(path, digest))]
    path = found.folder / DATASET_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        is_same = whole_hash(values["choice"], values["files"]) == found.sha256
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        is_same = False
    return problems if is_same else [*problems, _not_as_written(path)]


def _changed(path: Path, digest: str) -> DataError | None:
    try:
        with path.open("rb") as content:
            is_same = hashlib.file_digest(content, "sha256").hexdigest() == digest
    except OSError as fault:
        return DataError(
            "{path} cannot be read: {fault}; write the set again.", path=path, fault=fault.strerror or fault
        )
    return None if is_same else _not_as_written(path)


def _not_as_written(path: Path) -> DataError:
    return DataError(
        "{path} was changed after it was written; write the set again to get it as it was chosen.", path=path
    )
