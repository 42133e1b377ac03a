"""Attaches an adapter: to a second module tree over the same weights, so the base model stays what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from torch import Tensor
from transformers import PreTrainedConfig

from glmcore.core.errors import ModelLoadError
from glmcore.models.adapters.folders import PEFT_CONFIG, PREFIX, AdapterEntry
from glmcore.models.adapters.manifest import FILE, read_manifest
from glmcore.models.catalog import Family, named_family
from glmcore.models.checkpoint import read_json
from glmcore.models.native.loader import new_prefix
from glmcore.models.native.prefix import attach_prefix
from glmcore.models.native.quantized import QuantizedLinear
from glmcore.models.native.sharing import on_same_weights
from glmcore.models.tensor_files import iter_tensors, list_file

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


@dataclass(frozen=True, slots=True)
class Base:
    """The model that an adapter is to be attached to."""

    name: str
    model: Any
    family: Family
    template_hash: str


def attach_adapter(base: Base, entry: AdapterEntry) -> tuple[Any, bool]:
    """The model with an adapter over the weights of the base, and whether it can still be batched.

    Raises:
        ModelLoadError: the adapter is broken, or of another family, template or size.
    """
    _check_manifest(base, entry)
    if (entry.path / PEFT_CONFIG).is_file():
        return _attach_peft(base, entry.path)
    return _attach_prefix(base, entry.path), False


def _check_manifest(base: Base, entry: AdapterEntry) -> None:
    manifest = read_manifest(entry.path)
    if manifest is None:
        return
    for what, found, expected in (
        ("family", manifest.family, base.family.name),
        ("template_hash", manifest.template_hash, base.template_hash),
    ):
        if found != expected:
            raise ModelLoadError(
                "{path}: the adapter was tuned with {what} {found}, but {model} has {expected}; load it on "
                "{base}, which it was made for.",
                path=entry.path / FILE,
                what=what,
                found=found,
                model=base.name,
                expected=expected,
                base=manifest.base_model,
            )


# PEFT's adapters.


def _attach_peft(base: Base, folder: Path) -> tuple[Any, bool]:
    """The model, and whether it can still be batched."""
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
    model.eval()
    # LoRA lies inside the modules, so the model itself is whole; a prefix comes from PEFT's wrapper.
    return (model.base_model.model, True) if kind == "LORA" else (model, False)


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


# The original's P-tuning checkpoints.


def _attach_prefix(base: Base, folder: Path) -> Any:
    """The model with a prefix, whose sizes are read off the tensors: the checkpoint's config may err."""
    _check_family(base, folder)
    tensors = {
        name.removeprefix(PREFIX): tensor for name, tensor in iter_tensors(folder) if name.startswith(PREFIX)
    }
    config = base.model.config
    _check_prefix(tensors, config, folder, base.name)
    copy = on_same_weights(base.model)
    try:
        encoder = new_prefix(tensors, config)
    except RuntimeError as fault:  # tensors that do not fit together
        raise ModelLoadError(
            "{path} is not a readable P-tuning checkpoint: {fault}. Copy it again.",
            path=folder,
            fault=_one_line(fault),
        ) from fault
    attach_prefix(copy.base_model, encoder)
    return copy


def _check_family(base: Base, folder: Path) -> None:
    if base.family.weights is None:
        raise ModelLoadError(
            "{path} is a P-tuning checkpoint of a ChatGLM model, but {model} is of the family {family}.",
            path=folder,
            model=base.name,
            family=base.family.title,
        )
    if not (folder / "config.json").is_file() or base.family.weights == "glm":
        return
    values = read_json(folder / "config.json")
    found = named_family(values, folder)
    if values.get("model_type") == "chatglm" and found is not None and found != base.family:
        raise ModelLoadError(
            "{path} was tuned on {found}, but {model} is of the family {expected}; load it on the model it "
            "was made for.",
            path=folder / "config.json",
            found=found.title,
            model=base.name,
            expected=base.family.title,
        )


def _check_prefix(tensors: Mapping[str, Tensor], config: PreTrainedConfig, folder: Path, model: str) -> None:
    if "embedding.weight" not in tensors:
        raise ModelLoadError(
            "{path} holds no {name}, so it is no P-tuning checkpoint.",
            path=folder,
            name=f"{PREFIX}embedding.weight",
        )
    for name, tensor in tensors.items():
        if tensor.ndim != (1 if name.endswith("bias") else 2) or not tensor.numel():
            raise ModelLoadError(
                "{path}: {name} has the shape {found}, which no prefix has; copy the file again.",
                path=folder,
                name=f"{PREFIX}{name}",
                found=list(tensor.shape),
            )
    last = tensors.get("trans.2.weight")
    found = tensors["embedding.weight"].shape[1] if last is None else last.shape[0]
    num_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    expected = 2 * config.num_hidden_layers * num_heads * head_size
    if found != expected:
        raise ModelLoadError(
            "{path}: the prefix has {found} numbers per token, but {model} needs {expected} (2 × {layers} "
            "layers × {width}); it was tuned on another model.",
            path=folder,
            found=found,
            model=model,
            expected=expected,
            layers=config.num_hidden_layers,
            width=num_heads * head_size,
        )


def _one_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return " ".join(lines[:2]).rstrip(".") or type(fault).__name__
