"""`load_model`: from a name, a folder or a .gguf file to a model that is ready to generate.

Weights come from safetensors where there are any; a pickle is read by torch's weights-only reader. Code from
a model folder is never run. Everything that can be checked without reading weights is checked before.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from glmcore.core.errors import GlmcoreError, ModelLoadError, NotEnoughMemoryError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.core.settings import Settings, load_settings
from glmcore.models.blueprint import Blueprint, read_blueprint
from glmcore.models.catalog import named_family
from glmcore.models.fetch.embedded import ensure_embedded_model
from glmcore.models.fetch.hub import fetch_from_hub
from glmcore.models.files.offload import OffloadFolder
from glmcore.models.known import empty_known, load_known, load_tokenizer
from glmcore.models.loaded import LoadedModel
from glmcore.models.places.devices import describe_devices
from glmcore.models.places.memory import check_fits
from glmcore.models.places.placement import Placement
from glmcore.models.progress import Progress, ignore_progress
from glmcore.models.sources import ModelEntry, find_model
from glmcore.models.traits import can_batch, default_params, eos_token_ids, window_of, with_template

LOADING = mark("Loading the weights")
UNNAMED_NOTE = mark(
    "The folder does not say which ChatGLM this is, so it is taken for {family}; say it in config.json's "
    "_name_or_path."
)
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
        adapter: a folder with a LoRA, a prefix or a P-tuning checkpoint of 2023, or the name of a listed one.
        quantization_bits: 8 or 4, of the layers' weights; None leaves them as the setting `quantize` says.
        device_map: "auto" by free memory, "chatglm" for ChatGLM-6B's fixed rule, or accelerate's own form;
            by default a model is spread only where it does not fit on one GPU.
        max_memory: memory per device for the device map, e.g. {0: "20GiB", "cpu": "60GiB"}.

    Raises:
        ModelLoadError: the model or the adapter is missing, broken or of a kind that cannot be loaded.
        NotEnoughMemoryError: it does not fit; said before anything is loaded.
        ConfigError: an option has no such value here.
    """
    settings = settings or load_settings()
    progress = progress or ignore_progress
    blueprint = find_blueprint(
        name_or_path,
        dtype=dtype,
        device=device,
        quantization_bits=quantization_bits,
        settings=settings,
        progress=progress,
    )
    placement = blueprint.place(describe_devices(), device_map, max_memory)
    progress(LOADING, None)
    check_fits(
        blueprint.name,
        dtype=blueprint.dtype,
        place=placement.place,
        needed=blueprint.needed_bytes,
        free=placement.free_bytes,
    )
    offload = OffloadFolder(settings.home)
    model, tokenizer = _load(blueprint, lambda: _load_weights(blueprint, placement, offload, progress))
    offload.goes_with(model)
    loaded = _describe(blueprint, placement, model, tokenizer)
    return loaded if adapter is None else loaded.with_adapter(adapter, settings)


def find_blueprint(
    name_or_path: str | Path,
    *,
    dtype: str,
    device: str,
    quantization_bits: int | None,
    settings: Settings,
    progress: Progress,
) -> Blueprint:
    """What `load_model` would load with these options, fetched where it is not here yet. Raises as that."""
    entry = find_model(name_or_path, settings)
    return read_blueprint(
        entry.name,
        fetch_model(entry, settings, progress),
        describe_devices(),
        dtype=dtype,
        device=device,
        quantization_bits=quantization_bits,
        usual_bits=settings.quantize_bits,
    )


def load_outline(blueprint: Blueprint) -> LoadedModel:
    """The model without its weights, on the device "meta": it knows sizes, builds prompts and cannot answer.

    Raises:
        ModelLoadError: tokenizer or config are broken, or do not go together.
    """
    model, tokenizer = _load(blueprint, lambda: _empty_model(blueprint))
    return _describe(blueprint, None, model, tokenizer)


def fetch_model(entry: ModelEntry, settings: Settings, progress: Progress) -> Path:
    """The folder or file of a model, fetched where it is not here yet."""
    if entry.kind == "embedded":
        return ensure_embedded_model(settings, progress)
    if entry.kind == "hub":
        return fetch_from_hub(entry.name, progress)
    assert entry.path is not None  # only what is not fetched yet has none
    return entry.path


def _describe(blueprint: Blueprint, placement: Placement | None, model: Any, tokenizer: Any) -> LoadedModel:
    """Put the model together with what its files say about its use."""
    family, checkpoint = blueprint.family, blueprint.checkpoint
    notes: tuple[Note, ...] = ()
    if not family.is_original:
        tokenizer, notes = with_template(tokenizer)
    if named_family(checkpoint.config, checkpoint.path) is None:
        notes = (Note(UNNAMED_NOTE, {"family": family.title}),)
    if checkpoint.is_pickle:
        notes = (Note(PICKLE_NOTE), *notes)
    if placement is not None and placement.plan is not None:
        notes = (*notes, *placement.plan.warnings)
    window = window_of(model.config, tokenizer)
    return LoadedModel(
        name=blueprint.name,
        path=checkpoint.path,
        model=model,
        tokenizer=tokenizer,
        device=str(model.device),
        dtype=blueprint.dtype,
        window=window,
        eos_token_ids=eos_token_ids(model.generation_config, tokenizer, family.stop_tokens),
        default_params=default_params(model.generation_config, window, family.sampling),
        weight_bytes=blueprint.weight_bytes,
        kv_bytes_per_token=blueprint.kv_bytes_per_token,
        can_batch=can_batch(model) and not hasattr(model.base_model, "prefix_encoder"),
        notes=notes,
        family=family,
    )


def _load(blueprint: Blueprint, read_model: Callable[[], Any]) -> tuple[Any, Any]:
    """Model and tokenizer; anything that a library finds wrong becomes one sentence."""
    import torch
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # it would be drawn into the terminal chat
    path = blueprint.checkpoint.path
    part = "tokenizer"
    try:
        tokenizer = _load_tokenizer(blueprint)
        part = "model"
        model = read_model()
        _check_vocabulary(path, model, tokenizer)
        return model, tokenizer
    except GlmcoreError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as fault:
        raise NotEnoughMemoryError(
            "Memory ran out while {path} was loaded; unload other models or choose a smaller dtype.",
            path=path,
        ) from fault
    except Exception as fault:  # transformers raises nearly anything for a broken folder
        raise ModelLoadError(
            "{path}: the {part} cannot be loaded: {fault}. Compare the files with where the model came from.",
            path=path,
            part=part,
            fault=_first_line(fault),
        ) from fault


def _load_tokenizer(blueprint: Blueprint) -> Any:
    if blueprint.family.is_original and blueprint.source is not None:
        from glmcore.models.tokenizers.originals import original_tokenizer

        return original_tokenizer(blueprint.checkpoint.path, blueprint.family, blueprint.source.config)
    return load_tokenizer(blueprint.checkpoint.path)


def _load_weights(
    blueprint: Blueprint, placement: Placement, offload: OffloadFolder, progress: Progress
) -> Any:
    if blueprint.source is None:
        return load_known(blueprint.checkpoint.path, blueprint.dtype, placement, blueprint.bits, offload)
    from glmcore.models.native.original import load_original

    assert isinstance(placement.device_map, dict)  # a layout is always known here
    return load_original(
        blueprint.source,
        blueprint.dtype,
        placement.device_map,
        blueprint.bits,
        offload,
        lambda fraction: progress(LOADING, fraction),
    )


def _empty_model(blueprint: Blueprint) -> Any:
    source = blueprint.source
    if source is None:
        return empty_known(blueprint.checkpoint.path, blueprint.dtype)
    import torch

    from glmcore.models.native.loader import check_tensors, empty_model
    from glmcore.models.native.original import generation_config_of

    own = replace(source, config=deepcopy(source.config))  # the model changes it
    model = empty_model(own, getattr(torch, blueprint.dtype), blueprint.bits or source.stored_bits)
    check_tensors(own, model, blueprint.bits)
    model.tie_weights()
    model.generation_config = generation_config_of(own)
    return model.eval()


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
