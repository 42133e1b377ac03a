"""A model in the openvino engine's form, made once and kept beside the original.

`.NAME.openvino/KEY/` lies beside NAME; where nothing can be written there, in the folder of models. The key
is of what the model's files hold and of what converted them: a second start finds it, and a changed file is
converted again.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from glmcore.core.errors import StorageError
from glmcore.core.settings import Settings
from glmcore.models.files.checkpoint import glance_at_json, write_json
from glmcore.models.files.gguf_file import read_header
from glmcore.models.files.one_maker import one_maker
from glmcore.models.files.whole_folder import whole_folder
from glmcore.models.loading import fetch_model
from glmcore.models.openvino.about import ABOUT, read_model
from glmcore.models.openvino.conversion import run_conversion
from glmcore.models.openvino.fitness import reason_against
from glmcore.models.openvino.gguf_layout import gguf_of
from glmcore.models.openvino.model import OpenVinoModel
from glmcore.models.openvino.readable_gguf import readable_bytes
from glmcore.models.progress import Progress
from glmcore.models.sources import ModelEntry

RULES = 1  # of this program; one more whenever a model would be converted otherwise
LIBRARIES = ("openvino", "openvino-genai")
TEXTS = ("*.json", "*.jinja")  # of a folder, that say how its model is used
CONTENT = "content.json"
SMALL_FILES_BYTES = 50_000_000  # tokenizer and graph


def prepare(entry: ModelEntry, settings: Settings, progress: Progress) -> OpenVinoModel:
    """A model ready for the openvino engine: fetched and converted where that has not been done yet.

    Raises:
        ModelLoadError: it cannot be fetched, or does not come out right; transformers serves it then.
        StorageError: the disk is full, or nothing can be written.
    """
    if (reason := reason_against(entry, settings)) is not None:
        raise reason.with_traceback(None)  # it is kept, and would grow with every time it is raised
    model = fetch_model(entry, settings, progress).absolute()
    original = gguf_of(model) or model
    root = _root(original, settings)
    with one_maker(root / "lock", progress):
        folder = root / _key(model, root)
        if not (folder / ABOUT).is_file():
            with whole_folder(folder, _needed_bytes(model)) as unfinished:
                run_conversion(model, unfinished, progress)
            _remove_others(folder)
    return read_model(folder, entry.name, weights=model if original == model and model.is_dir() else None)


def _root(original: Path, settings: Settings) -> Path:
    """Where the forms of one original are kept."""
    place = hashlib.sha256(os.fsencode(original)).hexdigest()[:8]  # one name may be in several folders
    beside = original.with_name(f".{original.name}.openvino")
    for root in (beside, settings.models_dir.absolute() / f".{original.name}.{place}.openvino"):
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(root, os.W_OK):
            return root
    raise StorageError(
        "Neither {folder} nor {models} can be written, so {name} cannot be converted for the openvino "
        "engine; make one of them writable.",
        folder=original.parent,
        models=settings.models_dir,
        name=original.name,
    )


def _key(model: Path, root: Path) -> str:
    """Of the content of all files that what is made depends on, and of what makes it."""
    parts = [str(RULES), *(f"{name} {version(name)}" for name in LIBRARIES)]
    if (gguf := gguf_of(model)) is not None:
        parts.append(_content_hash(gguf, root / CONTENT))
    if model.is_dir():
        texts = [path for pattern in TEXTS for path in sorted(model.glob(pattern))]
        parts += [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in texts]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _content_hash(path: Path, memory: Path) -> str:
    """The SHA-256 of a file, remembered, since hashing gigabytes takes longer than the rest of a start."""
    stat = path.stat()
    seen = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    known = glance_at_json(memory)
    if known and known == {**seen, "sha256": known.get("sha256")}:
        return str(known["sha256"])
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    with suppress(OSError):  # a full disk is said where it matters
        write_json(memory, {**seen, "sha256": found})
    return found


def _needed_bytes(model: Path) -> int:
    """Of the disk, while it is made: the file in readable formats or the result, and the reader's graph."""
    gguf = gguf_of(model)
    return SMALL_FILES_BYTES + (2 * readable_bytes(read_header(gguf)) if gguf else 0)


def _remove_others(folder: Path) -> None:
    """Forms of an older file or version, and what killed programs left."""
    for path in folder.parent.iterdir():
        if path.is_dir() and path != folder:
            shutil.rmtree(path, ignore_errors=True)
