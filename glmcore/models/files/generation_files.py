"""The sampling that a model recommends, read from its files before it is loaded."""

from types import SimpleNamespace
from typing import Any

from glmcore.core.messages import GenerationParams
from glmcore.models.catalog import find_family
from glmcore.models.fetch.embedded import SAMPLING
from glmcore.models.files.checkpoint import glance_at_json
from glmcore.models.sources import ModelEntry
from glmcore.models.traits import LONGEST_WINDOW, default_params


def stored_params(entry: ModelEntry) -> GenerationParams | None:
    """What `LoadedModel.default_params` will be; None when the files do not say."""
    if entry.kind == "embedded":
        return _params(SAMPLING, None)
    if entry.path is None or not entry.path.is_dir():
        return None
    said = glance_at_json(entry.path / "generation_config.json")
    family = find_family(glance_at_json(entry.path / "config.json"), entry.path)
    if not said and family.sampling is None:
        return None
    return _params(said, family.sampling)


def _params(said: dict[str, Any], sampling: GenerationParams | None) -> GenerationParams:
    return default_params(SimpleNamespace(**{"do_sample": None, **said}), LONGEST_WINDOW, sampling)
