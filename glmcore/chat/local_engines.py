"""Makes the engines of this machine: of a model by `settings.engine`, of an adapter by its model's engine."""

from glmcore.chat.engine import ChatEngine
from glmcore.chat.engine_choice import OPENVINO
from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, Progress, load_model

WARMING_UP = mark("Warming up")


def build_engine(entry: ModelEntry, settings: Settings, progress: Progress) -> ChatEngine:
    """Load a model into the engine that the settings name, and let it answer once."""
    if settings.engine != OPENVINO:
        return build_transformers_engine(entry, settings, progress)
    from glmcore.chat.openvino.engine import build_openvino_engine

    return warmed_up(build_openvino_engine(entry, settings, progress), progress)


def build_transformers_engine(entry: ModelEntry, settings: Settings, progress: Progress) -> ChatEngine:
    """Load a model and put the transformers engine on it."""
    from glmcore.chat.transformers_engine import TransformersEngine

    # By path where it has one: the name of a folder somewhere else may be another model's, or nobody's.
    path = entry.path if entry.kind in ("folder", "gguf") else None
    loaded = load_model(
        path or entry.name,
        dtype=settings.dtype,
        device=settings.device,
        settings=settings,
        progress=progress,
    )
    loaded.name = entry.name
    engine = TransformersEngine(
        loaded, kv_cache_gib=settings.kv_cache_gib, max_batch_tokens=settings.max_batch_tokens
    )
    return warmed_up(engine, progress)


def warmed_up(engine: ChatEngine, progress: Progress) -> ChatEngine:
    """The engine after an answer of one token, so that the first person does not wait for caches."""
    progress(WARMING_UP, None)
    request = ChatRequest(
        messages=(Message("user", "Hi"),), params=GenerationParams(max_new_tokens=1), model=engine.model_name
    )
    try:
        for _piece in engine.submit(request):
            pass
    except BaseException:
        engine.close()  # its threads would hold the model
        raise
    return engine


def build_adapted_engine(base: ChatEngine, adapter: str, settings: Settings) -> ChatEngine:
    """An engine like `base`, over the same weights, that answers with an adapter."""
    if base.kind == OPENVINO:
        from glmcore.chat.openvino.adapters import build_adapted

        return build_adapted(base, adapter, settings)
    from glmcore.chat.transformers_engine import TransformersEngine

    assert isinstance(base, TransformersEngine)
    return TransformersEngine(
        base.loaded.with_adapter(adapter, settings),
        kv_cache_gib=settings.kv_cache_gib,
        max_batch_tokens=settings.max_batch_tokens,
    )


def reason_against_adapter(base: ChatEngine, adapter: str, settings: Settings) -> GlmcoreError | None:
    """Why an engine cannot answer with an adapter that the transformers engine might; None where it can.

    Raises:
        NotFoundError: there is no such adapter.
    """
    if base.kind != OPENVINO:
        return None
    from glmcore.chat.openvino import adapters

    return adapters.reason_against_adapter(base, adapter, settings)
