"""P-tuning v2 (Liu et al. 2021, arXiv:2110.07602): a learnt prefix of keys and values in every layer.

Models of 2023 get the prefix encoder of their own scripts, so that old checkpoints can be gone on from and
new ones be used by old code; the others get PEFT's. Its weights are float32, whatever the base model's are.
"""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModelForCausalLM, PrefixTuningConfig, TaskType
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.attach import check_manifest
from glmcore.models.adapters.folders import PEFT_CONFIG, entry_of
from glmcore.models.adapters.original_form import check_family
from glmcore.models.files.checkpoint import read_json, write_json
from glmcore.models.files.tensor_files import PREFIX
from glmcore.models.loaded import LoadedModel
from glmcore.models.native.prefix import PrefixEncoder, attach_prefix, cache_shape
from glmcore.models.native.stored_prefix import load_prefix
from glmcore.tuning.job_config.fields import TuningConfig
from glmcore.tuning.methods.peft_files import continue_peft, save_peft
from glmcore.tuning.methods.tuned import StateDict, TunedModel, freeze, write_adapter_manifest

ENCODER = "prompt_encoder.safetensors"  # PEFT itself keeps what a projection gives, not the projection
ORIGINAL_WEIGHTS = "pytorch_model.bin"  # what the scripts of 2023 look for


def tune_prefix(loaded: LoadedModel, config: TuningConfig, adapter: Path | None) -> TunedModel:
    """Attach a prefix.

    Args:
        adapter: an earlier prefix to go on from, with its own sizes.

    Raises:
        ModelLoadError: the earlier prefix is broken, or of another model.
    """
    freeze(loaded.model)
    tune = _tune_original if loaded.family.is_original else _tune_peft
    return tune(loaded, config, adapter)


def _tune_original(loaded: LoadedModel, config: TuningConfig, adapter: Path | None) -> TunedModel:
    decoder = loaded.model.base_model
    encoder = _read_original(loaded, adapter) if adapter else _new_original(loaded, config)
    attach_prefix(decoder, encoder.float())
    encoder.requires_grad_(True)
    sizes = {"pre_seq_len": encoder.pre_seq_len, "prefix_projection": encoder.is_projected}

    def save(folder: Path, state_dict: StateDict | None) -> None:
        state = encoder.state_dict() if state_dict is None else _part(state_dict, "prefix_encoder.")
        tensors = {f"{PREFIX}{name}": weight.detach().cpu().clone() for name, weight in state.items()}
        torch.save(tensors, folder / ORIGINAL_WEIGHTS)
        stored = read_json(loaded.path / "config.json")
        written = {name: value for name, value in stored.items() if name != "auto_map"}
        write_json(folder / "config.json", written | sizes)
        write_adapter_manifest(folder, loaded, "ptuning_v2", sizes)

    def load(folder: Path) -> None:
        encoder.load_state_dict(load_prefix(folder, loaded.model.config, loaded.name).state_dict())

    return TunedModel(loaded=loaded, model=loaded.model, save=save, load=load)


def _new_original(loaded: LoadedModel, config: TuningConfig) -> PrefixEncoder:
    """A fresh prefix, of the published sizes: ChatGLM2 and later embed a token in the width of all layers."""
    num_layers, num_heads, head_size = cache_shape(loaded.model.config)
    hidden = loaded.model.config.hidden_size
    narrow = hidden if loaded.family.weights == "chatglm" else num_layers * 2 * num_heads * head_size
    return PrefixEncoder(
        pre_seq_len=config.num_virtual_tokens,
        num_layers=num_layers,
        num_heads=num_heads,
        head_size=head_size,
        projection=(narrow, hidden) if config.prefix_projection else None,
    )


def _read_original(loaded: LoadedModel, folder: Path) -> PrefixEncoder:
    check_manifest(loaded.as_base, entry_of(folder, folder.name))
    check_family(loaded.as_base, folder)
    return load_prefix(folder, loaded.model.config, loaded.name)


def _tune_peft(loaded: LoadedModel, config: TuningConfig, adapter: Path | None) -> TunedModel:
    model = _continued(loaded, adapter) if adapter else _new_peft(loaded, config)
    peft_config: Any = model.peft_config["default"]
    encoder = model.prompt_encoder["default"]
    sizes = {
        "pre_seq_len": peft_config.num_virtual_tokens,
        "prefix_projection": peft_config.prefix_projection,
    }

    def save(folder: Path, state_dict: StateDict | None) -> None:
        save_peft(model, folder, loaded, "prefix_tuning", sizes, state_dict)
        state = encoder.state_dict() if state_dict is None else _part(state_dict, "prompt_encoder.default.")
        save_file(
            {name: weight.detach().cpu().contiguous() for name, weight in state.items()}, folder / ENCODER
        )

    def load(folder: Path) -> None:
        encoder.load_state_dict(load_file(folder / ENCODER))

    return TunedModel(loaded=loaded, model=model, save=save, load=load, allows_checkpointing=False)


def _new_peft(loaded: LoadedModel, config: TuningConfig) -> Any:
    return _with_prefix(loaded, config.num_virtual_tokens, config.prefix_projection)


def _with_prefix(loaded: LoadedModel, length: int, is_projected: bool) -> Any:
    num_layers, num_heads, head_size = cache_shape(loaded.model.config)
    prefix = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=length,
        num_layers=num_layers,
        token_dim=num_heads * head_size,  # PEFT would take the width of all query heads
        num_attention_heads=num_heads,
        prefix_projection=is_projected,
        encoder_hidden_size=loaded.model.config.hidden_size,
    )
    return PeftModelForCausalLM(loaded.model, prefix)


def _continued(loaded: LoadedModel, folder: Path) -> Any:
    if not (folder / ENCODER).is_file():
        model = continue_peft(loaded, folder, "PREFIX_TUNING")
        # Without its projection, of which PEFT keeps no more than what it gives.
        model.peft_config["default"].prefix_projection = False
        model.prompt_encoder["default"].prefix_projection = False
        return model
    check_manifest(loaded.as_base, entry_of(folder, folder.name))
    values = read_json(folder / PEFT_CONFIG)
    try:
        model = _with_prefix(loaded, values["num_virtual_tokens"], values["prefix_projection"])
        model.prompt_encoder["default"].load_state_dict(load_file(folder / ENCODER))
    except (RuntimeError, KeyError, OSError, SafetensorError) as fault:
        raise ModelLoadError(
            "{path} does not fit {model}: {fault}. Go on from it on the model it was made for.",
            path=folder,
            model=loaded.name,
            fault=str(fault).splitlines()[0].rstrip("."),
        ) from fault
    return model


def _part(state_dict: StateDict, marker: str) -> StateDict:
    """The weights of one module, by what their names have before them."""
    return {name.partition(marker)[2]: weight for name, weight in state_dict.items() if marker in name}
