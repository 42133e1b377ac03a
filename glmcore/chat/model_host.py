"""The models of this server: each loaded once, shared by all, unloaded when asked or when room is needed."""

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from glmcore.chat.engine import ChatEngine
from glmcore.chat.model_engines import AdapterEngineBuilder, ModelEngines, build_adapter_engine
from glmcore.core.errors import EngineError, GlmcoreError, NotEnoughMemoryError
from glmcore.core.i18n import mark
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, Progress, find_model, load_model
from glmcore.models.places.holders import hold, naming_holders

log = logging.getLogger(__name__)

WARMING_UP = mark("Warming up")
WAIT_STEP_SECONDS = 0.2  # how soon a cancelled request stops waiting for a load

# Builds the engine for a model: (entry, settings, progress) -> engine.
EngineBuilder = Callable[[ModelEntry, Settings, Progress], ChatEngine]


@dataclass(frozen=True, slots=True)
class LoadState:
    """How far a model is; `stage` is an English text of the catalogue."""

    stage: str = ""
    fraction: float | None = None
    is_ready: bool = False
    error: GlmcoreError | None = None


class _Resident:
    """One model on its way into memory or there."""

    def __init__(self) -> None:
        self.state = LoadState()
        self.done = threading.Event()
        self.engines: ModelEngines | None = None
        self.holding = ExitStack()  # what others are told while it is in memory
        self.last_used = time.monotonic()


class ModelHost:
    """Gives out the engine of a model, loading it when it is first asked for."""

    def __init__(
        self,
        settings: Settings,
        build_engine: EngineBuilder | None = None,
        build_adapted: AdapterEngineBuilder | None = None,
    ) -> None:
        self._settings = settings
        self._build = build_engine or build_transformers_engine
        self._build_adapted = build_adapted or build_adapter_engine
        self._residents: dict[str, _Resident] = {}
        self._lock = threading.Lock()  # guards the dictionary
        self._loading = threading.Lock()  # one load at a time, or two could each count on the same memory

    def engine(
        self, name: str, cancelled: threading.Event | None = None, adapter: str | None = None
    ) -> ChatEngine:
        """The engine of a model, or of an adapter on it; loads it, or waits for the load that is under way.

        Raises:
            ModelLoadError, NotEnoughMemoryError, NotFoundError: the same for everyone who waited; one that
                is the adapter's is said to who asked for it.
            EngineError: `cancelled` was set while waiting.
        """
        resident = self._start_loading(name)
        while not resident.done.wait(WAIT_STEP_SECONDS):
            if cancelled is not None and cancelled.is_set():
                raise EngineError("Stopped while {name} was loading.", name=name)
        resident.last_used = time.monotonic()
        error, engines = resident.state.error, resident.engines
        if error is not None:
            raise _without_traceback(error)  # a new one for each, as raising changes it
        if engines is None:
            raise EngineError("{name} was unloaded while it was waited for; ask again.", name=name)
        return engines.engine(adapter)

    def start_loading(self, name: str) -> None:
        """Begin to load in the background unless that has begun already."""
        self._start_loading(name)

    def state(self, name: str) -> LoadState | None:
        """How far a model is; None when nobody has asked for it."""
        with self._lock:
            resident = self._residents.get(name)
        return resident.state if resident else None

    def ready_engine(self, name: str) -> ChatEngine | None:
        """The model's own engine when it is in memory already; never waits."""
        with self._lock:
            resident = self._residents.get(name)
        engines = resident.engines if resident else None
        return engines.base if engines else None

    def loaded_names(self) -> list[str]:
        with self._lock:
            return [name for name, resident in self._residents.items() if resident.engines is not None]

    def unload(self, name: str) -> None:
        """Give a model's memory back; answers it is making end as stopped."""
        with self._lock:
            resident = self._residents.get(name)
            if resident is None or not resident.done.is_set():
                return
            del self._residents[name]
        engines, resident.engines = resident.engines, None
        if engines is not None:
            engines.close()
            del engines
            _release_memory()
            resident.holding.close()
            log.info("unloaded %s", name)

    def close(self) -> None:
        for name in self.loaded_names():
            self.unload(name)

    def _start_loading(self, name: str) -> _Resident:
        with self._lock:
            resident = self._residents.get(name)
            if resident is not None and not (resident.done.is_set() and resident.state.error is not None):
                return resident
            resident = self._residents[name] = _Resident()  # a failed load is tried again
        threading.Thread(target=self._load, args=(name, resident), name=f"load-{name}", daemon=True).start()
        return resident

    def _load(self, name: str, resident: _Resident) -> None:
        def progress(stage: str, fraction: float | None) -> None:
            resident.state = LoadState(stage, fraction)

        try:
            with self._loading:
                _release_memory()  # of what was unloaded while its last answer still ended
                entry = find_model(name, self._settings)
                engine = self._build_with_room(entry, progress)
                holding = hold(self._settings.home, name=entry.name, what="chat", held=engine.held_bytes)
                resident.holding.enter_context(holding)
                resident.engines = ModelEngines(engine, self._build_adapted, self._settings)
            resident.state = LoadState(is_ready=True)
        except GlmcoreError as error:
            resident.state = replace(resident.state, error=_without_traceback(error))
        except Exception as fault:
            log.exception("loading %s failed", name)
            unexpected = EngineError(
                "{name} could not be loaded ({fault}); see the server's log.", name=name, fault=str(fault)
            )
            resident.state = replace(resident.state, error=unexpected)
        finally:
            resident.done.set()

    def _build_with_room(self, entry: ModelEntry, progress: Progress) -> ChatEngine:
        """Build the engine; as long as memory is what is missing, unload the longest idle model."""
        while True:
            try:
                return self._build(entry, self._settings, progress)
            except NotEnoughMemoryError as error:
                idle = self._longest_idle()
                if idle is None:
                    raise naming_holders(error, self._settings.home, self._settings.device) from None
                log.info("unloading %s to make room for %s", idle, entry.name)
                self.unload(idle)

    def _longest_idle(self) -> str | None:
        with self._lock:
            idle = [
                (resident.last_used, name)
                for name, resident in self._residents.items()
                if resident.engines is not None and resident.engines.num_running() == 0
            ]
        return min(idle)[1] if idle else None


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
    progress(WARMING_UP, None)
    try:
        warm_up(engine)
    except BaseException:
        engine.close()  # its threads would hold the model
        raise
    return engine


def warm_up(engine: ChatEngine) -> None:
    """Answer with one token, so that the first person does not wait for caches to be made."""
    request = ChatRequest(
        messages=(Message("user", "Hi"),), params=GenerationParams(max_new_tokens=1), model=engine.model_name
    )
    for _piece in engine.submit(request):
        pass


def _without_traceback(error: GlmcoreError) -> GlmcoreError:
    """The same error without the frames it came through, which may hold a model's weights."""
    return type(error).from_dict(error.to_dict())


def _release_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")  # not imported for engines that do without
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
