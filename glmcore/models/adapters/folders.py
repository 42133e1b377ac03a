"""Which adapters there are: found by their files, without reading weights."""

import zipfile
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from glmcore.core.errors import GlmcoreError, ModelLoadError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.models.adapters.manifest import FILE as MANIFEST
from glmcore.models.adapters.manifest import AdapterManifest, read_manifest
from glmcore.models.adapters.walk import FolderWalk
from glmcore.models.catalog import named_family
from glmcore.models.files.checkpoint import glance_at_json
from glmcore.models.files.safetensors_header import read_header
from glmcore.models.files.tensor_files import PREFIX

PEFT_CONFIG = "adapter_config.json"
METHODS = {"LORA": "lora", "PREFIX_TUNING": "prefix_tuning"}
LEVELS = 5  # jobs/<id>/checkpoints/checkpoint-100
FINISHED = "complete.json"  # written last into a checkpoint of a run: see `glmcore.tuning.checkpoints`
TELLING_FILES = (PEFT_CONFIG, MANIFEST, "config.json", "model.safetensors", "pytorch_model.bin")
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
    """The adapters in the home folder and the model folders, by name.

    Those that a run has not finished are not among them.
    """
    entries: dict[str, AdapterEntry] = {}
    listed: set[Path] = set()
    for root in (settings.models_dir, *settings.model_roots, settings.home):
        for inside, entry in _walk_of(root).items():
            if entry.path in listed:
                continue
            listed.add(entry.path)
            name = inside or root.name
            name = str(entry.path) if name in entries else name
            entries[name] = replace(entry, name=name)
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
            known=", ".join(get_close_matches(name, entries, n=3, cutoff=0.3) or list(entries)[:3]) or "–",
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


def is_tuned_model(folder: Path) -> bool:
    """Whether a run has finished a model here: all weights were tuned, so it needs no base."""
    return (folder / FINISHED).is_file() and (folder / "config.json").is_file() and not is_adapter(folder)


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


@lru_cache(maxsize=32)
def _walk_of(root: Path) -> FolderWalk[AdapterEntry]:
    return FolderWalk(root, LEVELS, TELLING_FILES, _adapter_in)


def _adapter_in(folder: Path) -> AdapterEntry | None:
    """The adapter that a folder holds. A model's folder may hold those tuned on it, deeper down."""
    return entry_of(folder, "") if is_adapter(folder) and not _is_unfinished(folder) else None


def _is_unfinished(folder: Path) -> bool:
    """Whether this is a checkpoint that its run is still writing, or was killed over, or is deleting."""
    run = folder.parent.parent
    is_of_run = folder.parent.name == "checkpoints" and (
        run.parent.name == "jobs" or (run / "job.yaml").is_file()
    )
    return is_of_run and not (folder / FINISHED).is_file()


def _same_model(base_model: str, model: str) -> bool:
    """Whether two names end alike: `THUDM/chatglm3-6b`, `/models/chatglm3-6b`. An unknown base may be any."""
    return not base_model or base_model.rstrip("/").rpartition("/")[2] == model.rpartition("/")[2]


def _manifest(folder: Path) -> AdapterManifest | None:
    try:
        return read_manifest(folder)
    except ModelLoadError:  # said when it is loaded
        return None
