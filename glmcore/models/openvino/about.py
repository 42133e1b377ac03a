"""What the openvino engine has to know of a model beside its weights: told once with torch, read without it.

It is told by the functions that tell it to the transformers engine, so that both agree.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.core.errors import ModelLoadError
from glmcore.core.messages import GenerationParams
from glmcore.core.notes import Note
from glmcore.models.blueprint import Blueprint, read_blueprint
from glmcore.models.catalog import FAMILIES, find_family
from glmcore.models.chat_tokenizer import ChatTokenizer
from glmcore.models.files.checkpoint import (
    OPENVINO_GRAPH,
    OPENVINO_WEIGHTS,
    Checkpoint,
    read_json,
    write_json,
)
from glmcore.models.files.number_formats import NUMBER_BYTES
from glmcore.models.openvino.model import OpenVinoModel
from glmcore.models.places.devices import describe_devices

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ABOUT = "about.json"
CONFIG = "config.json"


def write_about(model: Path, folder: Path) -> None:
    """Write what there is to know of a folder or a .gguf file, and its tokenizer, into a folder.

    Raises:
        ModelLoadError: config or tokenizer are broken, or of a kind that only transformers knows.
    """
    from glmcore.models.loading import load_outline

    blueprint = _blueprint(model)
    outline = load_outline(blueprint)
    if not outline.tokenizer.is_fast:
        raise ModelLoadError("{path} has no tokenizer that can be kept as tokenizer.json.", path=model)
    outline.tokenizer.save_pretrained(folder)
    about = {
        "family": outline.family.name,
        "window": outline.window,
        "eos_token_ids": outline.eos_token_ids,
        "default_params": outline.default_params.to_dict(),
        "kv_numbers_per_token": blueprint.kv_bytes_per_token // NUMBER_BYTES[blueprint.dtype],
        "notes": [asdict(note) for note in outline.notes],
    }
    write_json(folder / ABOUT, about)


def read_model(folder: Path, name: str, weights: Path | None = None) -> OpenVinoModel:
    """A model that `write_about` told of.

    Args:
        weights: the folder with openvino_model.xml, where that is another.
    """
    about = read_json(folder / ABOUT)
    family = next(family for family in FAMILIES if family.name == about["family"])
    return OpenVinoModel(
        name=name,
        folder=weights or folder,
        text=ChatTokenizer(tokenizer=_read_tokenizer(folder), family=family),
        window=about["window"],
        eos_token_ids=tuple(about["eos_token_ids"]),
        default_params=GenerationParams.from_dict(about["default_params"]),
        kv_numbers_per_token=about["kv_numbers_per_token"],
        weight_bytes=((weights or folder) / OPENVINO_WEIGHTS).stat().st_size,
        notes=tuple(Note(**note) for note in about["notes"]),
    )


def _read_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    # Its module, since AutoTokenizer brings torch along.
    from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def _blueprint(model: Path) -> Blueprint:
    devices = [device for device in describe_devices() if device.name == "cpu"]
    if model.is_file() or not (model / OPENVINO_GRAPH).is_file():
        return read_blueprint(model.name, model, devices, device="cpu")
    config = read_json(model / CONFIG)  # of a folder that has no weights for transformers
    return Blueprint(
        name=model.name,
        checkpoint=Checkpoint(model, config),
        family=find_family(config, model),
        dtype="float32",
        device=devices[0],
        bits=None,
        sizes={},
    )
