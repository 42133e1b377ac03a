"""What a model folder holds, checked before anything is loaded: its config, and that all files are there.

Every such fault ends here, in a sentence that names the file; what is in the files is for `tensor_files`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glmcore.core.errors import ModelLoadError

WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
OPENVINO_GRAPH, OPENVINO_WEIGHTS = "openvino_model.xml", "openvino_model.bin"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "ice_text.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tekken.json",
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model folder or file whose outside is in order."""

    path: Path
    config: Mapping[str, Any]
    is_pickle: bool = False
    num_weights: int | None = None  # of a GGUF file; those of a folder are listed by `tensor_files`


def read_checkpoint(folder: Path) -> Checkpoint:
    """Check a model folder from outside.

    Raises:
        ModelLoadError: names the file that is missing, damaged or of a kind that cannot be loaded.
    """
    config = _read_config(folder)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelLoadError(
            "{folder} has no tokenizer; expected one of {names}. Copy it from where the model came from.",
            folder=folder,
            names=", ".join(TOKENIZER_FILES),
        )
    files = weight_files(folder)
    return Checkpoint(folder, config, is_pickle=files[0].suffix == ".bin")


def weight_files(folder: Path) -> list[Path]:
    """The files with a model's weights, all of them there; safetensors before pickles.

    Raises:
        ModelLoadError: there are none, or one is missing.
    """
    for name in WEIGHT_NAMES:
        if files := _weight_files(folder, name):
            return files
    if (folder / OPENVINO_GRAPH).is_file():
        raise ModelLoadError(
            "{folder} is an OpenVINO model, which the openvino engine answers with; the transformers engine "
            "needs its weights as model.safetensors.",
            folder=folder,
        )
    raise ModelLoadError(
        "{folder} has no weights; expected model.safetensors, or its shards and their index.",
        folder=folder,
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder.

    Raises:
        ModelLoadError: the file is missing, or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as fault:
        raise ModelLoadError("{path} is not valid JSON: {fault}.", path=path, fault=fault) from fault
    except OSError as fault:
        raise ModelLoadError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror) from fault
    if not isinstance(value, dict):
        raise ModelLoadError(
            "{path}: found a JSON {kind}, expected an object.", path=path, kind=type(value).__name__
        )
    return value


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def glance_at_json(path: Path) -> dict[str, Any]:
    """The same for a list of what there is: empty where it cannot be read, which loading will say."""
    try:
        return read_json(path)
    except ModelLoadError:
        return {}


def _read_config(folder: Path) -> dict[str, Any]:
    if (folder / "adapter_config.json").is_file():
        raise ModelLoadError(
            "{folder} is an adapter, not a model; load its base model and name the folder as adapter.",
            folder=folder,
        )
    if not (folder / "config.json").is_file():
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise ModelLoadError(
            "{folder} is not a model folder: it has no config.json (found: {found}).",
            folder=folder,
            found=found,
        )
    config = read_json(folder / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise ModelLoadError(
            "{path} has no model_type, so it is not the config of a transformers model.",
            path=folder / "config.json",
        )
    return config


def _weight_files(folder: Path, name: str) -> list[Path]:
    """The one file, or the shards that its index names, all of them there; empty when there is neither."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelLoadError("{path} has no weight_map; copy or download it again.", path=index)
    shards = sorted({str(shard) for shard in weight_map.values()})
    missing = [shard for shard in shards if Path(shard).name != shard or not (folder / shard).is_file()]
    if missing:
        raise ModelLoadError(
            "{folder}: {count} of {total} weight files named by {index} are missing, first {first}; "
            "copy or download them.",
            folder=folder,
            count=len(missing),
            total=len(shards),
            index=index.name,
            first=missing[0],
        )
    return [folder / shard for shard in shards]
