"""Which LoRA adapters the openvino engine can compute with, and the engine of a model with one of them.

OpenVINO GenAI takes a LoRA by the names of the model's layers and one factor for all of it, and leaves out
without a word what it does not know. So all that is looked at here; what is refused the transformers engine
serves.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from glmcore.chat.engine import ChatEngine
from glmcore.chat.openvino.engine import FittedAdapter, OpenVinoEngine
from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.models.adapters.folders import PEFT_CONFIG, find_adapter
from glmcore.models.adapters.manifest import FILE, read_manifest
from glmcore.models.files.checkpoint import read_json
from glmcore.models.files.safetensors_header import read_header
from glmcore.models.openvino import OpenVinoModel

WEIGHTS = "adapter_model.safetensors"
LORA_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_[AB]\.weight")
LINEAR = re.compile(rb'name="(?:__module\.)?([\w.]+)/(?:ov_ext|aten)::linear/MatMul"')
# Of PEFT's config, what changes the product or adds to it; as LoRA has them by default.
PLAIN_LORA: Mapping[str, Any] = {
    "peft_type": "LORA",
    "use_dora": False,
    "bias": "none",
    "lora_bias": False,
    "modules_to_save": None,
    "fan_in_fan_out": False,
    "rank_pattern": {},
    "alpha_pattern": {},
}


def reason_against_adapter(base: ChatEngine, adapter: str, settings: Settings) -> ModelLoadError | None:
    """Why the engine cannot serve this adapter; None where it can.

    Raises:
        NotFoundError: there is no such adapter.
    """
    assert isinstance(base, OpenVinoEngine)
    try:
        fit_adapter(base.model, adapter, settings)
    except NotFoundError:
        raise
    except ModelLoadError as reason:
        return reason
    return None


def build_adapted(base: ChatEngine, adapter: str, settings: Settings) -> ChatEngine:
    """The engine of the model with an adapter: another process, as a pipeline has one adapter for good.

    Raises:
        ModelLoadError, NotFoundError: `reason_against_adapter`.
        EngineError, NotEnoughMemoryError: as OpenVinoEngine.
    """
    assert isinstance(base, OpenVinoEngine)
    return OpenVinoEngine(base.model, settings, fit_adapter(base.model, adapter, settings))


def fit_adapter(model: OpenVinoModel, adapter: str, settings: Settings) -> FittedAdapter:
    """The adapter as the pipeline takes it.

    Raises:
        NotFoundError: there is none of that name.
        ModelLoadError: it is damaged, or asks for more than the engine can do.
    """
    entry = find_adapter(adapter, settings)
    _check_manifest(model, entry.path)
    config = read_json(entry.path / PEFT_CONFIG)
    for field, plain in PLAIN_LORA.items():
        if (found := config.get(field) or plain) != plain:
            raise ModelLoadError(
                "{path}: {field} is {found}, which the engine openvino cannot compute with; the engine "
                "transformers can.",
                path=entry.path / PEFT_CONFIG,
                field=field,
                found=found,
            )
    _check_layers(model, entry.path / WEIGHTS)
    return FittedAdapter(name=entry.name, path=entry.path / WEIGHTS, scale=_scale(config, entry.path))


def _check_manifest(model: OpenVinoModel, folder: Path) -> None:
    manifest = read_manifest(folder)
    if manifest is not None and manifest.template_hash != model.text.template_hash:
        raise ModelLoadError(
            "{path}: the adapter was tuned with other prompts than those of {model}.",
            path=folder / FILE,
            model=model.name,
        )


def _check_layers(model: OpenVinoModel, weights: Path) -> None:
    known = linear_names(model.folder / "openvino_model.xml")
    for tensor in read_header(weights):
        found = LORA_TENSOR.fullmatch(tensor)
        if found is None or found[1] not in known:
            raise ModelLoadError(
                "{path}: {model} has no layer for {tensor} in the engine openvino.",
                path=weights,
                model=model.name,
                tensor=tensor,
            )


def _scale(config: Mapping[str, Any], folder: Path) -> float:
    """alpha / r; with rank-stabilized LoRA alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732)."""
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, (int, float)):
        raise ModelLoadError(
            "{path}: r is {rank} and lora_alpha is {alpha}; expected numbers.",
            path=folder / PEFT_CONFIG,
            rank=rank,
            alpha=alpha,
        )
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def linear_names(graph: Path) -> frozenset[str]:
    """The layers of a model that an adapter can be put on, by the names that they have in transformers."""
    return _linear_names(graph, graph.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _linear_names(graph: Path, _changed: int) -> frozenset[str]:
    return frozenset(name.decode() for name in LINEAR.findall(graph.read_bytes()))
