"""`load_model`: from a name, a folder or a .gguf file to a model that is ready to generate.

Weights come from safetensors where there are any; a pickle is read by torch's weights-only reader. Code from
a model folder is never run. Everything that can be checked without reading weights is checked before.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glmcore.core.errors import ConfigError, GlmcoreError, ModelLoadError, NotEnoughMemoryError
from glmcore.core.i18n import mark
from glmcore.core.settings import Settings, load_settings
from glmcore.models.checkpoint import Checkpoint, read_checkpoint
from glmcore.models.devices import choose_device, choose_dtype, describe_devices
from glmcore.models.embedded import ensure_embedded_model
from glmcore.models.gguf_file import check_finite, read_gguf
from glmcore.models.hub import fetch_from_hub
from glmcore.models.loaded import LoadedModel
from glmcore.models.memory import check_fits, kv_bytes_per_token, needed_bytes
from glmcore.models.placement import Placement, choose_placement
from glmcore.models.progress import Progress, ignore_progress
from glmcore.models.remote_code import refuse_remote_code
from glmcore.models.sources import ModelEntry, find_model
from glmcore.models.traits import can_batch, default_params, eos_token_ids, window_of, with_template

LOADING = mark("Loading the weights")
PICKLE_NOTE = mark("The weights are a pickle; convert them to safetensors to load faster.")


def load_model(
    name_or_path: str | Path,
    *,
    dtype: str = "auto",
    device: str = "auto",
    adapter: str | Path | None = None,
    quantization_bits: int | None = None,
    device_map: str | Mapping[str, Any] | None = None,
    max_memory: Mapping[Any, Any] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> LoadedModel:
    """Load a chat model.

    Args:
        dtype: "auto", "float32", "bfloat16" or "float16".
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; not used where a device map is given.
        device_map: accelerate's words; by default a model is spread only where it does not fit on one GPU.
        max_memory: memory per device for the device map, e.g. {0: "20GiB", "cpu": "60GiB"}.

    Raises:
        ModelLoadError: the model is missing, broken or of a kind that cannot be loaded.
        NotEnoughMemoryError: it does not fit; said before anything is loaded.
        ConfigError: an option has no such value here.
    """
    _refuse_later_options(adapter, quantization_bits)
    settings = settings or load_settings()
    progress = progress or ignore_progress
    entry = find_model(name_or_path, settings)
    path = _fetch(entry, settings, progress)
    checkpoint = read_gguf(path) if path.is_file() else read_checkpoint(path)
    refuse_remote_code(checkpoint)

    progress(LOADING, None)
    devices = describe_devices()
    chosen = choose_device(device, devices)
    dtype = choose_dtype(dtype, chosen.name, checkpoint.dtype if path.is_dir() else "bfloat16")
    needed = needed_bytes(checkpoint.weight_bytes(dtype), kv_bytes_per_token(checkpoint.config, dtype))
    placement = choose_placement(chosen, devices, needed, device_map, max_memory)
    check_fits(entry.name, dtype=dtype, place=placement.place, needed=needed, free=placement.free_bytes)
    model, tokenizer = _load(checkpoint, dtype, placement)
    return _describe(entry.name, checkpoint, dtype, model, tokenizer)


def _describe(name: str, checkpoint: Checkpoint, dtype: str, model: Any, tokenizer: Any) -> LoadedModel:
    """Put the model together with what its files say about its use."""
    tokenizer, notes = with_template(tokenizer)
    if checkpoint.is_pickle:
        notes = (PICKLE_NOTE, *notes)
    window = window_of(model.config, tokenizer)
    return LoadedModel(
        name=name,
        path=checkpoint.path,
        model=model,
        tokenizer=tokenizer,
        device=str(model.device),
        dtype=dtype,
        window=window,
        eos_token_ids=eos_token_ids(model.generation_config, tokenizer),
        default_params=default_params(model.generation_config, window),
        weight_bytes=checkpoint.weight_bytes(dtype),
        kv_bytes_per_token=kv_bytes_per_token(checkpoint.config, dtype),
        can_batch=can_batch(model),
        notes=notes,
    )


def _refuse_later_options(adapter: str | Path | None, quantization_bits: int | None) -> None:
    for name, value in (("adapter", adapter), ("quantization_bits", quantization_bits)):
        if value is not None:
            raise ConfigError(
                "{name} is {value!r}, but this version does not load models that way yet; leave it out.",
                name=name,
                value=value,
            )


def _fetch(entry: ModelEntry, settings: Settings, progress: Progress) -> Path:
    if entry.kind == "embedded":
        return ensure_embedded_model(settings, progress)
    if entry.kind == "hub":
        return fetch_from_hub(entry.name, progress)
    assert entry.path is not None  # only what is not fetched yet has none
    return entry.path


def _load(checkpoint: Checkpoint, dtype: str, placement: Placement) -> tuple[Any, Any]:
    """Model and tokenizer; anything that transformers finds wrong becomes one sentence."""
    import torch
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # it would be drawn into the terminal chat
    part = "tokenizer"
    try:
        tokenizer = _load_tokenizer(checkpoint.path)
        part = "model"
        model, report = _load_weights(checkpoint.path, getattr(torch, dtype), placement)
        _check_report(checkpoint.path, report)
        _check_vocabulary(checkpoint.path, model, tokenizer)
        if checkpoint.path.is_file():
            check_finite(model, checkpoint.path)
        return model, tokenizer
    except GlmcoreError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as fault:
        raise NotEnoughMemoryError(
            "Memory ran out while {path} was loaded; unload other models or choose a smaller dtype.",
            path=checkpoint.path,
        ) from fault
    except Exception as fault:  # transformers raises nearly anything for a broken folder
        if "weights_only" in str(fault) or type(fault).__name__ == "UnpicklingError":
            raise ModelLoadError(
                "{path} holds a pickle with more in it than weights, which could run code, so it was not "
                "loaded; use the model's safetensors files.",
                path=checkpoint.path,
            ) from fault
        raise ModelLoadError(
            "{path}: the {part} cannot be loaded: {fault}. Compare the files with where the model came from.",
            path=checkpoint.path,
            part=part,
            fault=_first_line(fault),
        ) from fault


def _source(path: Path) -> tuple[str, dict[str, str]]:
    """What transformers calls a folder, or a GGUF file in one."""
    return (str(path.parent), {"gguf_file": path.name}) if path.is_file() else (str(path), {})


def _load_tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    folder, gguf = _source(path)
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **gguf)


def _load_weights(path: Path, dtype: Any, placement: Placement) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoConfig, AutoModelForCausalLM, GgufConfig

    folder, gguf = _source(path)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **gguf)
    options: dict[str, Any] = {"quantization_config": GgufConfig(dequantize=True)} if gguf else {}
    return AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        device_map=placement.device_map,
        max_memory=placement.max_memory,
        attn_implementation=_attention(config),
        trust_remote_code=False,
        local_files_only=True,
        weights_only=True,
        ignore_mismatched_sizes=True,  # `_check_report` says it better
        output_loading_info=True,
        **options,
        **gguf,
    )


def _attention(config: Any) -> str:
    """Named always, so that a config cannot ask for a kernel to be fetched."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelLoadError(
            "Models of type {model_type} do not chat; choose a text-generating model.",
            model_type=config.model_type,
        )
    found = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    return "sdpa" if getattr(found, "_supports_sdpa", False) else "eager"


def _check_report(path: Path, report: Mapping[str, Any]) -> None:
    """Refuse what transformers only warns of: weights that it did not find and filled with random numbers."""
    missing, mismatched = sorted(report["missing_keys"]), sorted(report["mismatched_keys"])
    if missing:
        raise ModelLoadError(
            "{path}: {count} of the weights that config.json asks for are not in the files, first {first}; "
            "config and weights are of different models, or a file is missing.",
            path=path,
            count=len(missing),
            first=missing[0],
        )
    if mismatched:
        first, found, expected = mismatched[0]
        raise ModelLoadError(
            "{path}: the weights {first} have the shape {found}, config.json expects {expected}; "
            "config and weights are of different models.",
            path=path,
            first=first,
            found=list(found),
            expected=list(expected),
        )


def _check_vocabulary(path: Path, model: Any, tokenizer: Any) -> None:
    rows = model.get_input_embeddings().num_embeddings
    if not 0 < tokenizer.vocab_size <= rows:
        raise ModelLoadError(
            "{path}: the tokenizer has {found} tokens, the model {expected}; they are of different models.",
            path=path,
            found=tokenizer.vocab_size,
            expected=rows,
        )


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return f"{type(fault).__name__}: {lines[0].rstrip('.') if lines else ''}"
