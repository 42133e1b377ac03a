"""What an adapter was made for, written next to its weights so that loading it is a choice from a list."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from glmcore.core.errors import ModelLoadError

FILE = "glmcore_adapter.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterManifest:
    """`sizes` are the method's own: pre_seq_len and prefix_projection, or rank and alpha."""

    base_model: str
    family: str
    template_hash: str
    method: str  # "lora", "prefix_tuning" (PEFT), "ptuning_v2" (the original form)
    sizes: Mapping[str, int | float | bool] = field(default_factory=dict)


def write_manifest(folder: Path, manifest: AdapterManifest) -> None:
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=2)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> AdapterManifest | None:
    """None where there is none: the adapter was made elsewhere.

    Raises:
        ModelLoadError: it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        manifest = AdapterManifest(**values)
        texts = (manifest.base_model, manifest.family, manifest.template_hash, manifest.method)
        if not all(isinstance(text, str) for text in texts) or not isinstance(manifest.sizes, dict):
            raise TypeError("all fields but sizes are texts")
    except (OSError, ValueError, TypeError, RecursionError) as fault:
        raise ModelLoadError(
            "{path} is not a readable adapter manifest ({fault}); delete it to load the adapter by its "
            "shapes.",
            path=path,
            fault=fault,
        ) from fault
    return manifest
