"""Where models come from: what lies in the model folders, and what a name means.

Reads names, sizes and `config.json`, never weights, so that a page can list models at every rerun. A page or
an HTTP request chooses among the names of `list_models`; a free path is for the settings and the terminal.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.core.i18n import mark
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models.adapters.folders import is_adapter
from glmcore.models.catalog import UNKNOWN_FAMILY, find_family
from glmcore.models.files.checkpoint import OPENVINO_WEIGHTS, glance_at_json

ModelKind = Literal["folder", "gguf", "embedded", "hub", "remote"]

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WEIGHT_SUFFIXES = (".safetensors", ".bin")  # in the order of preference
LEVELS = 2  # organisation/model


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that can be asked for."""

    name: str
    path: Path | None  # None: not fetched yet
    kind: ModelKind
    bytes: int | None  # of the weight files
    is_ready: bool
    detail: str = ""
    family: str = UNKNOWN_FAMILY.name  # as far as its folder tells


def embedded_path(settings: Settings) -> Path:
    """The folder of the embedded model, whether it is there or not."""
    return settings.models_dir / EMBEDDED_MODEL


def list_models(settings: Settings) -> list[ModelEntry]:
    """The models that can be offered: the embedded one, then those in the model folders by name."""
    entries = {EMBEDDED_MODEL: _embedded_entry(settings)}
    for root in (settings.models_dir, *settings.model_roots):
        for path in sorted(_iter_models(root, LEVELS)):
            name = root.name if path == root else path.relative_to(root).as_posix()
            if path == embedded_path(settings):
                continue
            if name in entries:  # the same name in two roots
                name = str(path)
            entries[name] = entry_of(path, name)
    return list(entries.values())


def find_model(name_or_path: str | Path, settings: Settings) -> ModelEntry:
    """What a name or a path means: a listed name, a folder or file anywhere, or a name on the model hub.

    Raises:
        ModelLoadError: a path that does not exist.
        NotFoundError: an unknown name; offers the nearest known ones.
    """
    name = str(name_or_path).strip()
    entries = {entry.name: entry for entry in list_models(settings)}
    if name in entries:
        return entries[name]
    path = Path(name).expanduser()
    if name and _exists(path):
        return entry_of(path, path.name or name)
    if isinstance(name_or_path, Path) or _looks_like_path(name):
        raise ModelLoadError(
            "{path}: there is no such model folder or file; check the path or choose one of: {known}.",
            path=name,
            known=", ".join(entries),
        )
    if HUB_NAME.fullmatch(name) and settings.allow_hub:
        return ModelEntry(name, None, "hub", None, is_ready=False, detail=mark("fetched from the model hub"))
    if HUB_NAME.fullmatch(name):
        raise NotFoundError(
            "There is no model {name!r} here, and fetching from the model hub is switched off (allow_hub); "
            "choose one of: {known}.",
            name=name,
            known=_nearest(name, list(entries)),
        )
    raise NotFoundError(
        "There is no model {name!r}; choose one of: {known}.", name=name, known=_nearest(name, list(entries))
    )


def entry_of(path: Path, name: str) -> ModelEntry:
    """The entry of a model folder or a .gguf file that exists."""
    if path.is_file():
        return ModelEntry(name, path, "gguf", path.stat().st_size, is_ready=True, detail="GGUF")
    return _folder_entry(path, name, "folder")


def _embedded_entry(settings: Settings) -> ModelEntry:
    path = embedded_path(settings)
    if _exists(path / "config.json"):
        return _folder_entry(path, EMBEDDED_MODEL, "embedded")
    waiting = mark("fetched from the package index when it is first used")
    return ModelEntry(EMBEDDED_MODEL, None, "embedded", None, is_ready=False, detail=waiting)


def _folder_entry(path: Path, name: str, kind: ModelKind) -> ModelEntry:
    config = glance_at_json(path / "config.json")
    family = find_family(config, path)
    title = str(config.get("model_type", "")) if family is UNKNOWN_FAMILY else family.title
    size = _weight_bytes(path)
    if size is None and (size := _openvino_bytes(path)) is not None:
        title = "OpenVINO"
    return ModelEntry(name, path, kind, size, is_ready=True, detail=title, family=family.name)


def _iter_models(folder: Path, levels: int) -> Iterator[Path]:
    """Model folders and .gguf files, not looking inside a model folder.

    Adapters are no models; unreadable folders are skipped.
    """
    try:
        if (folder / "config.json").is_file():
            if not is_adapter(folder):
                yield folder
            return
        children = [child for child in folder.iterdir() if not child.name.startswith(".")]
    except OSError:
        return
    for child in children:
        if child.suffix == ".gguf" and child.is_file():
            yield child
        elif levels and child.is_dir():
            yield from _iter_models(child, levels - 1)


def _weight_bytes(folder: Path) -> int | None:
    for suffix in WEIGHT_SUFFIXES:
        try:
            files = [path for path in folder.iterdir() if path.suffix == suffix]
            sizes = [path.stat().st_size for path in files if not path.name.startswith("openvino_")]
        except OSError:
            return None
        if sizes:
            return sum(sizes)
    return None


def _openvino_bytes(folder: Path) -> int | None:
    """Bytes of the weights of an OpenVINO model; None where there is none."""
    try:
        return (folder / OPENVINO_WEIGHTS).stat().st_size
    except OSError:
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the file system
        return False


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.endswith(".gguf") or name.count("/") > 1 or "\\" in name


def _nearest(name: str, known: list[str]) -> str:
    return ", ".join(get_close_matches(name, known, n=3, cutoff=0.3) or known)
