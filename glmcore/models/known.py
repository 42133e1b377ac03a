"""Models that transformers knows itself, loaded by it. Anything it finds wrong becomes one sentence."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from glmcore.core.errors import ConfigError, ModelLoadError
from glmcore.models.files.gguf_file import check_finite
from glmcore.models.files.offload import OffloadFolder
from glmcore.models.places.placement import Placement


def load_known(path: Path, dtype: str, placement: Placement, bits: int | None, offload: OffloadFolder) -> Any:
    """The model of a folder or a .gguf file."""
    import torch

    quantization = _bitsandbytes(bits, getattr(torch, dtype)) if bits else None
    options: dict[str, Any] = {"quantization_config": quantization} if quantization else {}
    if "disk" in placement.devices:
        options["offload_folder"] = str(offload.path)
    model, report = _load_weights(path, getattr(torch, dtype), placement, options)
    _check_report(path, report)
    if path.is_file():
        check_finite(model, path)
    return model


def empty_known(path: Path, dtype: str) -> Any:
    """The same model without its weights, on the device "meta"."""
    import torch
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM, GenerationConfig

    config = _config(path)
    with init_empty_weights(include_buffers=False):
        model = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, dtype), attn_implementation=_attention(config)
        )
    with suppress(OSError):  # the folder has none; that of the config stays
        model.generation_config = GenerationConfig.from_pretrained(_source(path)[0], local_files_only=True)
    model.tie_weights()  # making it empty parted them
    return model.eval()


def load_tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    folder, gguf = _source(path)
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **gguf)


def check_bitsandbytes() -> None:
    """Refuse to quantize a model of another family where that cannot be done.

    Raises:
        ConfigError: no CUDA device, or bitsandbytes is not installed.
    """
    from importlib.util import find_spec

    import torch

    if not torch.cuda.is_available():
        raise ConfigError(
            "quantization_bits needs a CUDA device for this family of models (bitsandbytes computes there), "
            "and this machine has none; leave it out, or use a ChatGLM or GLM-4-9B model, which quantizes "
            "anywhere."
        )
    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            "quantization_bits needs the package bitsandbytes for this family of models, which is not "
            "installed; install it, or leave quantization_bits out."
        )


def _bitsandbytes(bits: int, dtype: Any) -> Any:
    """4 bits as QLoRA has them (Dettmers et al. 2023, arXiv:2305.14314): nf4, its scales quantized too."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_8bit=bits == 8,
        load_in_4bit=bits == 4,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _source(path: Path) -> tuple[str, dict[str, str]]:
    """What transformers calls a folder, or a GGUF file in one."""
    return (str(path.parent), {"gguf_file": path.name}) if path.is_file() else (str(path), {})


def _config(path: Path) -> Any:
    from transformers import AutoConfig

    folder, gguf = _source(path)
    return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **gguf)


def _load_weights(
    path: Path, dtype: Any, placement: Placement, options: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoModelForCausalLM, GgufConfig

    folder, gguf = _source(path)
    config = _config(path)
    if gguf:
        options["quantization_config"] = GgufConfig(dequantize=True)
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
