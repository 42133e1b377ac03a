"""The sampling that a model recommends, read from its files before it is loaded."""

import json
from types import SimpleNamespace

from glmcore.core.messages import GenerationParams
from glmcore.models.embedded import SAMPLING
from glmcore.models.sources import ModelEntry
from glmcore.models.traits import LONGEST_WINDOW, default_params


def stored_params(entry: ModelEntry) -> GenerationParams | None:
    """What `LoadedModel.default_params` will be; None when the files do not say."""
    if entry.kind == "embedded":
        said = SAMPLING
    elif entry.path is None or not entry.path.is_dir():
        return None
    else:
        try:
            said = json.loads((entry.path / "generation_config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):  # loading says what is wrong with it
            return None
    if not isinstance(said, dict):
        return None
    return default_params(SimpleNamespace(**{"do_sample": None, **said}), LONGEST_WINDOW)
