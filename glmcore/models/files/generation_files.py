"""The sampling that a model recommends, read from its files before it is loaded."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from glmcore.core.messages import GenerationParams
from glmcore.models.catalog import find_family
from glmcore.models.fetch.embedded import SAMPLING
from glmcore.models.sources import ModelEntry
from glmcore.models.traits import LONGEST_WINDOW, default_params


def stored_params(entry: ModelEntry) -> GenerationParams | None:
    """What `LoadedModel.default_params` will be; None when the files do not say."""
    if entry.kind == "embedded":
        return _params(SAMPLING, None)
    if entry.path is None or not entry.path.is_dir():
        return None
    said = _read(entry.path / "generation_config.json")
    family = find_family(_read(entry.path / "config.json") or {}, entry.path)
    if said is None and family.sampling is None:
        return None
    return _params(said or {}, family.sampling)


def _params(said: dict[str, Any], sampling: GenerationParams | None) -> GenerationParams:
    return default_params(SimpleNamespace(**{"do_sample": None, **said}), LONGEST_WINDOW, sampling)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # loading says what is wrong with it
        return None
    return said if isinstance(said, dict) else None
