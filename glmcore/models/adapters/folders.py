"""Which adapters there are: found by their files, without reading weights."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glmcore.core.errors import GlmcoreError, ModelLoadError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.models.adapters.manifest import AdapterManifest, read_manifest
from glmcore.models.catalog import named_family
from glmcore.models.files.checkpoint import glance_at_json
from glmcore.models.files.safetensors_header import read_header
from glmcore.models.files.tensor_files import PREFIX

PEFT_CONFIG = "adapter_config.json"
METHODS = {"LORA": "lora", "PREFIX_TUNING": "prefix_tuning"}
LEVELS = 5  # jobs/<id>/checkpoints/checkpoint-100
MOST_PREFIX_TENSORS = 5  # embedding, and two layers with biases


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """One adapter that can be asked for; `family` and `base_model` are empty where its files do not tell."""

    name: str
    path: Path
    method: str
    family: str = ""
    base_model: str = ""


def list_adapters(settings: Settings) -> list[AdapterEntry]:
    """The adapters in the home folder and the model folders, by name."""
    entries: dict[str, AdapterEntry] = {}
    for root in (settings.models_dir, *settings.model_roots, settings.home):
        for folder in sorted(_iter_adapters(root, LEVELS)):
            if any(entry.path == folder for entry in entries.values()):
                continue
            name = root.name if folder == root else folder.relative_to(root).as_posix()
            name = str(folder) if name in entries else name
            entries[name] = entry_of(folder, name)
    return list(entries.values())


def adapters_for(model: str, family: str, settings: Settings) -> list[AdapterEntry]:
    """Those that may fit a model: of its family, or made for a model of its name, or of unknown origin."""
    return [
        entry
        for entry in list_adapters(settings)
        if entry.family == family or (not entry.family and _same_model(entry.base_model, model))
    ]


def find_adapter(name_or_path: str | Path, settings: Settings) -> AdapterEntry:
    """What a name or a path means.

    Raises:
        NotFoundError: neither a listed name nor a folder.
        ModelLoadError: a folder without an adapter.
    """
    entries = {entry.name: entry for entry in list_adapters(settings)}
    name = str(name_or_path).strip()
    if name in entries:
        return entries[name]
    path = _folder_at(name)
    if path is None:
        raise NotFoundError(
            "There is no adapter {name!r}; choose one of: {known}.",
            name=name,
            known=", ".join(entries) or "–",
        )
    if not is_adapter(path) and not (path / "pytorch_model.bin").is_file():
        raise ModelLoadError(
            "{path} holds no adapter; expected {config} with its weights, or a P-tuning checkpoint "
            "(pytorch_model.bin with {prefix}*).",
            path=path,
            config=PEFT_CONFIG,
            prefix=PREFIX,
        )
    return entry_of(path, path.name)


def entry_of(folder: Path, name: str) -> AdapterEntry:
    """What the files of an adapter tell."""
    manifest = _manifest(folder)
    if manifest is not None:
        return AdapterEntry(name, folder, manifest.method, manifest.family, manifest.base_model)
    peft = glance_at_json(folder / PEFT_CONFIG)
    if peft:
        method = METHODS.get(str(peft.get("peft_type")), str(peft.get("peft_type")))
        return AdapterEntry(name, folder, method, base_model=str(peft.get("base_model_name_or_path") or ""))
    config = glance_at_json(folder / "config.json")
    family = named_family(config, folder) if config.get("model_type") == "chatglm" else None
    base_model = str(config.get("_name_or_path") or "")
    return AdapterEntry(name, folder, "ptuning_v2", family.name if family else "", base_model)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model."""
    return (folder / PEFT_CONFIG).is_file() or _is_prefix_checkpoint(folder)


def _is_prefix_checkpoint(folder: Path) -> bool:
    """Whether the weights are a prefix alone; a few numbers of a zip's directory tell, no pickle is read."""
    try:
        if (folder / "model.safetensors").is_file():
            return all(name.startswith(PREFIX) for name in read_header(folder / "model.safetensors"))
        config = glance_at_json(folder / "config.json")
        if config.get("model_type") != "chatglm" and config.get("pre_seq_len") is None:
            return False  # the few tensors may be anything's
        with zipfile.ZipFile(folder / "pytorch_model.bin") as file:
            return sum("/data/" in name for name in file.namelist()) <= MOST_PREFIX_TENSORS
    except (OSError, zipfile.BadZipFile, GlmcoreError):
        return False


def _folder_at(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if name and path.is_dir() else None
    except (OSError, RuntimeError):  # too long for the file system; the home of nobody
        return None


def _iter_adapters(folder: Path, levels: int) -> Iterator[Path]:
    """Adapter folders; unreadable ones are skipped. A model's folder may hold those tuned on it."""
    try:
        if is_adapter(folder):
            yield folder
            return
        children = [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    except OSError:
        return
    if levels:
        for child in children:
            yield from _iter_adapters(child, levels - 1)


def _same_model(base_model: str, model: str) -> bool:
    """Whether two names end alike: `THUDM/chatglm3-6b`, `/models/chatglm3-6b`. An unknown base may be any."""
    return not base_model or base_model.rstrip("/").rpartition("/")[2] == model.rpartition("/")[2]


def _manifest(folder: Path) -> AdapterManifest | None:
    try:
        return read_manifest(folder)
    except ModelLoadError:  # said when it is loaded
        return None
