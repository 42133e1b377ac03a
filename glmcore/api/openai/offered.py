"""The models of `/v1/models`: those that are listed, and `model:adapter` for each adapter that fits one.

What a request names is looked for among these ids only, so no request reaches a path or a name of a hub.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches

from glmcore.chat.engine_choice import choose_engine
from glmcore.core.errors import GlmcoreError, NotFoundError
from glmcore.models.adapters.folders import adapters_for
from glmcore.models.sources import ModelEntry, find_model
from glmcore.server.services import Services

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Offered:
    """One model that can be asked by its id."""

    id: str
    entry: ModelEntry
    adapter: str | None = None
    engine: str | None = None  # that was asked for


def list_offered(shared: Services) -> dict[str, Offered]:
    """By id; a model's own name goes before that of an adapter on another one."""
    entries = _entries(shared)
    return {offered.id: offered for offered in _adapted(shared, entries.values())} | {
        name: Offered(name, entry) for name, entry in entries.items()
    }


def find_offered(shared: Services, model_id: str, engine: str | None = None) -> Offered:
    """What an id means, and the engine that is to answer with it.

    Raises:
        NotFoundError: there is no such model; names near ones.
        ConfigError: the engine cannot have that model.
    """
    offered = _find(shared, model_id)
    if engine is not None:
        choose_engine(offered.entry, shared.settings, engine)
    return replace(offered, engine=engine)


def _find(shared: Services, model_id: str) -> Offered:
    entries = _entries(shared)
    if model_id in entries:  # the usual case looks at no adapter
        return Offered(model_id, entries[model_id])
    found = list_offered(shared)
    if model_id in found:
        return found[model_id]
    near = get_close_matches(model_id, found, n=MOST_NAMED, cutoff=0.3) or list(found)[-MOST_NAMED:]
    raise NotFoundError(
        "There is no model {name!r} here; `GET /v1/models` lists those that there are, such as {near}.",
        name=model_id,
        near=", ".join(near),
        param="model",
        code="model_not_found",
    )


def _entries(shared: Services) -> dict[str, ModelEntry]:
    """The listed models, and the configured one, which may be a path that the operator chose."""
    entries = {entry.name: entry for entry in shared.models.entries()}
    configured = shared.settings.model
    if configured not in entries:
        with suppress(GlmcoreError):  # loading it says what is wrong
            entries[configured] = replace(find_model(configured, shared.settings), name=configured)
    return entries


def _adapted(shared: Services, entries: Iterable[ModelEntry]) -> list[Offered]:
    return [
        Offered(f"{entry.name}:{adapter.name}", entry, adapter.name)
        for entry in entries
        if entry.path is not None  # elsewhere there are no weights to attach it to
        for adapter in adapters_for(entry.name, entry.family, shared.settings)
    ]
