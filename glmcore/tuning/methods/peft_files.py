"""Adapters of PEFT's, written so that chat and PEFT itself can load them, and read again to go on."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.attach import check_manifest
from glmcore.models.adapters.folders import PEFT_CONFIG, entry_of
from glmcore.models.adapters.peft_form import PEFT_WEIGHTS, open_peft
from glmcore.models.files.checkpoint import write_json
from glmcore.models.loaded import LoadedModel
from glmcore.tuning.methods.tuned import StateDict, write_adapter_manifest


def continue_peft(loaded: LoadedModel, folder: Path, kind: str) -> Any:
    """The model with an earlier adapter, its weights ready to learn on.

    Raises:
        ModelLoadError: it is broken, of another kind or of another model.
    """
    entry = entry_of(folder, folder.name)
    if not (folder / PEFT_CONFIG).is_file():
        raise ModelLoadError(
            "{path} holds no {config}, so it is no {kind} that can be gone on from; name the folder of one.",
            path=folder,
            config=PEFT_CONFIG,
            kind=kind,
        )
    check_manifest(loaded.as_base, entry)
    model, found = open_peft(loaded.as_base, folder)
    if found != kind:
        raise ModelLoadError(
            "{path} is an adapter of the type {found}, expected {kind}; set method to go with it.",
            path=folder,
            found=found,
            kind=kind,
        )
    model.peft_config["default"].inference_mode = False
    for name, weight in model.named_parameters():
        weight.requires_grad_("lora_" in name or "prompt_encoder" in name)
        if weight.requires_grad:
            weight.data = weight.data.float()
    return model


def save_peft(
    model: Any,
    folder: Path,
    loaded: LoadedModel,
    method: str,
    sizes: Mapping[str, int | float | bool],
    state_dict: StateDict | None,
) -> None:
    """Write config, weights and manifest; nothing of the base model."""
    weights = get_peft_model_state_dict(model, state_dict=state_dict, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / PEFT_WEIGHTS[0], metadata={"format": "pt"})
    config = dataclasses.replace(
        model.peft_config["default"], base_model_name_or_path=loaded.name, inference_mode=True
    )
    values = {name: _plain(value) for name, value in config.to_dict().items()}
    write_json(folder / PEFT_CONFIG, values)
    write_adapter_manifest(folder, loaded, method, sizes)


def load_weights(model: PeftModel, folder: Path) -> None:
    """The weights of a checkpoint of this very run."""
    set_peft_model_state_dict(model, load_file(folder / PEFT_WEIGHTS[0]))


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value
