"""Adapters in PEFT's form, LoRA and prefix tuning, loaded by PEFT onto a copy that shares the weights."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from peft import (
    LoraConfig,
    PeftModel,
    PeftModelForCausalLM,
    PrefixTuningConfig,
    TaskType,
    get_peft_model_state_dict,
)
from peft.tuners.tuners_utils import BaseTunerLayer

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.base import Base
from glmcore.models.adapters.folders import PEFT_CONFIG
from glmcore.models.files.checkpoint import read_json
from glmcore.models.files.tensor_files import list_file
from glmcore.models.native.quantized import QuantizedLinear
from glmcore.models.native.sharing import on_same_weights

ADAPTER = "default"  # PEFT's name for the only one
MOVE = "_move_adapter_to_device_of_base_layer"  # a method of its layers
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# Fields of PEFT's configs that describe weights; the others steer training or import modules by name.
LORA_FIELDS = (
    "r",
    "lora_alpha",
    "target_modules",
    "exclude_modules",
    "lora_dropout",
    "fan_in_fan_out",
    "bias",
    "use_rslora",
    "use_dora",
    "modules_to_save",
    "layers_to_transform",
    "layers_pattern",
    "rank_pattern",
    "alpha_pattern",
)
PREFIX_FIELDS = (
    "num_virtual_tokens",
    "token_dim",
    "num_attention_heads",
    "num_layers",
    "num_transformer_submodules",
    "encoder_hidden_size",
    "prefix_projection",
)


def attach_peft(base: Base, folder: Path) -> tuple[Any, bool]:
    """The model with an adapter of PEFT's, and whether it can still be batched.

    Raises:
        ModelLoadError: as `open_peft`.
    """
    model, kind = open_peft(base, folder)
    model.eval()
    # LoRA lies inside the modules, so the model itself is whole; a prefix comes from PEFT's wrapper.
    return (model.base_model.model, True) if kind == "LORA" else (model, False)


def open_peft(base: Base, folder: Path) -> tuple[PeftModel, str]:
    """PEFT's model of an adapter over the weights of the base, and the adapter's kind.

    Raises:
        ModelLoadError: the adapter is broken, of a kind that is not known, or of another model.
    """
    values = read_json(folder / PEFT_CONFIG)
    kind = values.get("peft_type")
    if kind not in ("LORA", "PREFIX_TUNING"):
        raise ModelLoadError(
            "{path}: the adapter is of the type {found}, expected LORA or PREFIX_TUNING.",
            path=folder / PEFT_CONFIG,
            found=kind,
        )
    stored = _stored_names(folder)
    _check_peft(base, folder, values)
    copy = on_same_weights(base.model)
    copy.__dict__.pop("hf_device_map", None)  # its hooks stay; PEFT would dispatch it anew
    try:
        model = _load_peft(copy, folder, _peft_config(values))
    except Exception as fault:  # PEFT raises several kinds
        raise ModelLoadError(
            "{path} does not fit {model}: {fault}. Load it on the model it was made for ({base}).",
            path=folder,
            model=base.name,
            fault=_one_line(fault),
            base=values.get("base_model_name_or_path") or "–",
        ) from fault
    _check_names(stored, model, folder, base)
    return model, kind


def _stored_names(folder: Path) -> set[str]:
    """The names of the adapter's tensors. Raises ModelLoadError where it has no readable weights."""
    for name in PEFT_WEIGHTS:
        if (folder / name).is_file():
            return set(list_file(folder / name))
    raise ModelLoadError(
        "{path} has no weights; expected {names}. Copy the folder again.",
        path=folder,
        names=" or ".join(PEFT_WEIGHTS),
    )


def _check_names(stored: set[str], model: PeftModel, folder: Path, base: Base) -> None:
    """PEFT itself leaves out what does not fit, and a part of the adapter would do nothing."""
    expected = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    if different := sorted(stored ^ expected):
        raise ModelLoadError(
            "{path} does not fit {model}: {count} of its weights have no place there or are missing, first "
            "{first}; it was made for another model.",
            path=folder,
            model=base.name,
            count=len(different),
            first=different[0],
        )


def _check_peft(base: Base, folder: Path, values: Mapping[str, Any]) -> None:
    """Refuse what PEFT would load without a word and compute wrongly."""
    if values["peft_type"] == "PREFIX_TUNING" and base.family.weights == "chatglm":
        raise ModelLoadError(
            "{path}: PEFT's PREFIX_TUNING counts its tokens as positions, which {family} has two of; tune an "
            "original P-tuning prefix or a LoRA.",
            path=folder,
            family=base.family.title,
        )
    if values.get("use_dora") and any(isinstance(part, QuantizedLinear) for part in base.model.modules()):
        raise ModelLoadError(
            "{path}: use_dora needs full weights, but those of {model} are quantized; load the full ones.",
            path=folder,
            model=base.name,
        )


def _load_peft(copy: Any, folder: Path, config: LoraConfig | PrefixTuningConfig) -> PeftModel:
    """PEFT's model on a copy that shares its weights, of which none may be written to."""
    is_lora = isinstance(config, LoraConfig)  # made empty: its weights, and biases of the model, are assigned
    model = PeftModelForCausalLM(copy, config, ADAPTER, low_cpu_mem_usage=is_lora)
    formats = {name: weight.dtype for name, weight in copy.named_parameters()}
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        if (device := _device_of_offloaded(layer.get_base_layer())) is not None:
            # PEFT would put the adapter's weights where the layer's are, which is nowhere.
            vars(layer)[MOVE] = partial(getattr(layer, MOVE), device=device)
    model.load_adapter(str(folder), ADAPTER, torch_device="cpu", low_cpu_mem_usage=is_lora)
    for layer in layers:
        vars(layer).pop(MOVE, None)
    for name, weight in copy.named_parameters():
        if "lora_" not in name:
            weight.data = weight.data.to(formats[name])
    return model


def _device_of_offloaded(layer: Any) -> Any:
    """Where a layer computes whose weights accelerate brings in for it; None of any other."""
    hook = getattr(layer, "_hf_hook", None)
    parts = getattr(hook, "hooks", [hook])
    return next((part.execution_device for part in parts if getattr(part, "offload", False)), None)


def _peft_config(values: Mapping[str, Any]) -> LoraConfig | PrefixTuningConfig:
    """The config with only what describes weights: nothing that would be imported, fetched or initialised."""
    is_lora = values["peft_type"] == "LORA"
    fields = LORA_FIELDS if is_lora else PREFIX_FIELDS
    known = {name: values[name] for name in fields if values.get(name) is not None}
    return (LoraConfig if is_lora else PrefixTuningConfig)(
        task_type=TaskType.CAUSAL_LM, inference_mode=True, **known
    )


def _one_line(fault: Exception) -> str:
    """The beginning of a library's complaint, for a sentence of ours."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return " ".join(lines[:2]).rstrip(".") or type(fault).__name__
