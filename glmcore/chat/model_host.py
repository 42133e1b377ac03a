"""The models of this server: each loaded once, shared by all, unloaded when asked or when room is needed.

A model may be in memory twice, in two engines. Who asks for no engine gets the automatic one, which is
chosen when the model is first asked for, and again after it was unloaded.
"""

import gc
import logging
import sys
import threading
import time
from dataclasses import replace

from glmcore.chat.engine import ChatEngine
from glmcore.chat.engine_choice import (
    OPENVINO,
    REMOTE,
    TRANSFORMERS,
    AutomaticEngines,
    choose_engine,
    refused_by,
)
from glmcore.chat.local_engines import build_adapted_engine, build_engine, reason_against_adapter
from glmcore.chat.mending import without_traceback
from glmcore.chat.model_engines import AdapterEngineBuilder, EngineBuilder, ModelEngines, unexpected_fault
from glmcore.chat.remote.models import RemoteModels, refuse_adapter
from glmcore.chat.residents import LoadState, Place, Resident
from glmcore.core.errors import EngineError, GlmcoreError, NotEnoughMemoryError, NotFoundError
from glmcore.core.i18n import mark
from glmcore.core.messages import ChatRequest
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, Progress, find_model, list_models
from glmcore.models.places.holders import hold, naming_holders

log = logging.getLogger(__name__)

CONNECTING = mark("Connecting")
WAIT_STEP_SECONDS = 0.2  # how soon a cancelled request stops waiting for a load


class ModelHost:
    """Gives out the engine of a model, loading it when it is first asked for.

    Where an `engine` can be named, none means the automatic one.
    """

    def __init__(
        self,
        settings: Settings,
        build: EngineBuilder | None = None,
        build_adapted: AdapterEngineBuilder | None = None,
    ) -> None:
        self._settings = settings
        self._build = build or build_engine
        self._build_adapted = build_adapted or build_adapted_engine
        self.remote = RemoteModels(settings)
        self.automatic = AutomaticEngines(settings, self.find)
        self._residents: dict[Place, Resident] = {}
        self._lock = threading.RLock()  # guards the dictionary, and what becomes of a failed load
        self._loading = threading.Lock()  # one load at a time, or two could each count on the same memory

    def engine_for(self, request: ChatRequest, cancelled: threading.Event | None = None) -> ChatEngine:
        """The engine that answers a request; what the automatic one cannot do, transformers does.

        Raises: as `engine`.
        """
        kind = request.engine
        if request.logprobs is not None and self.automatic.is_free(kind):
            kind = TRANSFORMERS if self._automatic_kind(request.model) == OPENVINO else None
        return self.engine(request.model, cancelled, request.adapter, kind)

    def engine(
        self,
        name: str,
        cancelled: threading.Event | None = None,
        adapter: str | None = None,
        engine: str | None = None,
    ) -> ChatEngine:
        """The engine of a model, or of an adapter on it; loads it, or waits for the load that is under way.

        Raises:
            ModelLoadError, NotEnoughMemoryError, NotFoundError: the same for everyone who waited; one that
                is the adapter's is said to who asked for it.
            ConfigError: the engine that was asked for cannot have the model or the adapter.
            EngineError: `cancelled` was set while waiting.
        """
        engines = self._wait_for(name, engine, cancelled)
        if adapter is None:
            return engines.base
        reason = reason_against_adapter(engines.base, adapter, self._settings)
        if reason is None:
            return engines.engine(adapter)
        if not self.automatic.is_free(engine):
            raise refused_by(reason, adapter)
        return self.engine(name, cancelled, adapter, TRANSFORMERS)

    def start_loading(self, name: str, engine: str | None = None) -> None:
        """Begin to load in the background unless that has begun already."""
        self._start_loading(name, engine)

    def state(self, name: str, engine: str | None = None) -> LoadState | None:
        """How far a model is; None when nobody has asked for it."""
        with self._lock:
            resident = self._resident(name, engine)
            return resident.state if resident else None

    def ready_engine(self, name: str, engine: str | None = None) -> ChatEngine | None:
        """The model's own engine when it is in memory already; never waits."""
        with self._lock:
            resident = self._resident(name, engine)
        engines = resident.engines if resident else None
        return engines.base if engines else None

    def reason_against_adapter(
        self, name: str, adapter: str, engine: str | None = None
    ) -> GlmcoreError | None:
        """Why a loaded model's engine cannot answer with an adapter; None where it can, or is not loaded."""
        base = self.ready_engine(name, engine)
        try:
            return reason_against_adapter(base, adapter, self._settings) if base is not None else None
        except NotFoundError:  # said to who asks with it
            return None

    def entries(self) -> list[ModelEntry]:
        """The models that can be asked for, here and on other servers, without waiting for anything."""
        return [*list_models(self._settings), *self.remote.entries()]

    def find(self, name: str) -> ModelEntry:
        """What a name means: a model on another server, or what `find_model` says.

        Raises:
            ModelLoadError, NotFoundError: as `find_model`.
        """
        return self.remote.find(name) or find_model(name, self._settings)

    def trouble(self, name: str) -> GlmcoreError | None:
        """Why a loaded model could not answer just now; None where it could, or is not loaded."""
        engine = self.ready_engine(name) or dict(self.loaded_engines()).get(name)
        return engine.trouble() if engine is not None else None

    def loaded_names(self) -> list[str]:
        """Each once, in however many engines it is."""
        return list(dict.fromkeys(name for name, _engine in self.loaded_engines()))

    def loaded_engines(self) -> list[tuple[str, ChatEngine]]:
        """The models' own engines that are in memory, each with its model's name."""
        with self._lock:
            here = [(place.name, resident.engines) for place, resident in self._residents.items()]
        return [(name, engines.base) for name, engines in here if engines is not None]

    def unload(self, name: str, engine: str | None = None) -> None:
        """Give a model's memory back, in all its engines where none is named; running answers are stopped.

        The automatic engine is chosen anew at the next load.
        """
        with self._lock:
            places = [place for place in self._residents if place.name == name]
        for place in places:
            if engine in (None, place.kind):
                self._unload(place)
        self.automatic.reconsider(name)

    def close(self) -> None:
        for name in self.loaded_names():
            self.unload(name)

    def _unload(self, place: Place) -> None:
        with self._lock:
            resident = self._residents.get(place)
            if resident is None or not resident.done.is_set():
                return
            del self._residents[place]
        engines, resident.engines = resident.engines, None
        if engines is not None:
            engines.close()
            del engines
            _release_memory()
            resident.holding.close()
            log.info("unloaded %s (%s)", *place)

    def _resident(self, name: str, engine: str | None) -> Resident | None:
        kind = engine or self.automatic.kind(name)
        return self._residents.get(Place(name, kind)) if kind is not None else None

    def _automatic_kind(self, name: str) -> str:
        """Of the model as it is, or is being, loaded; chosen anew where it is not."""
        with self._lock:
            resident = self._resident(name, None)
        if resident is None or resident.has_failed:
            self.automatic.choose(name)
        kind = self.automatic.kind(name)
        assert kind is not None
        return kind

    def _wait_for(self, name: str, engine: str | None, cancelled: threading.Event | None) -> ModelEngines:
        while True:
            resident = self._start_loading(name, engine)
            while not resident.done.wait(WAIT_STEP_SECONDS):
                if cancelled is not None and cancelled.is_set():
                    raise EngineError("Stopped while {name} was loading.", name=name)
            if engine is not None or not resident.was_given_up:
                break
        resident.last_used = time.monotonic()
        error, engines = resident.state.error, resident.engines
        if error is not None:
            raise without_traceback(error)  # a new one for each, as raising changes it
        if engines is None:
            raise EngineError("{name} was unloaded while it was waited for; ask again.", name=name)
        return engines

    def _start_loading(self, name: str, asked: str | None) -> Resident:
        if asked is None or self.automatic.kind(name) is None:
            self._automatic_kind(name)
        with self._lock:
            kind = asked or self.automatic.kind(name)
            assert kind is not None
            place = Place(name, kind)
            resident = self._residents.get(place)
            is_new = resident is None or resident.has_failed  # a failed load is tried again
            if resident is None or is_new:
                resident = self._residents[place] = Resident()
            resident.is_automatic |= asked is None
        if is_new:
            load = threading.Thread(
                target=self._load, args=(place, resident), name=f"load-{name}", daemon=True
            )
            load.start()
        return resident

    def _load(self, place: Place, resident: Resident) -> None:
        def progress(stage: str, fraction: float | None) -> None:
            resident.state = LoadState(stage, fraction)

        try:
            if place.kind == REMOTE:  # needs no memory, so it waits for nobody
                progress(CONNECTING, None)
                engine = self.remote.build_engine(self.find(place.name))
                resident.engines = ModelEngines(engine, refuse_adapter, self._settings)
            else:
                self._load_here(place, resident, progress)
            resident.state = LoadState(is_ready=True)
        except GlmcoreError as error:
            self._fail(place, resident, without_traceback(error))
        except Exception as fault:
            log.exception("loading %s failed", place.name)
            self._fail(place, resident, unexpected_fault(place.name, fault))
        finally:
            resident.done.set()

    def _fail(self, place: Place, resident: Resident, error: GlmcoreError) -> None:
        """Tell the error to who asked for this engine, and load transformers for who asked for none."""
        with self._lock:
            resident.state = replace(resident.state, error=error)
            resident.was_given_up = self.automatic.give_up(*place, error)
            if resident.was_given_up and resident.is_automatic:
                self._start_loading(place.name, None)
        if place.kind == TRANSFORMERS:
            self.automatic.reconsider(place.name)

    def _load_here(self, place: Place, resident: Resident, progress: Progress) -> None:
        with self._loading:
            _release_memory()  # of what was unloaded while its last answer still ended
            entry = self.find(place.name)
            settings = replace(self._settings, engine=choose_engine(entry, self._settings, place.kind))
            engine = self._build_with_room(entry, settings, progress)
            holding = hold(self._settings.home, name=entry.name, what="chat", held=engine.held_bytes)
            resident.holding.enter_context(holding)
            resident.engines = ModelEngines(engine, self._build_adapted, self._settings)

    def _build_with_room(self, entry: ModelEntry, settings: Settings, progress: Progress) -> ChatEngine:
        """Build the engine; as long as memory is what is missing, unload the longest idle model."""
        while True:
            try:
                return self._build(entry, settings, progress)
            except NotEnoughMemoryError as error:
                idle = self._longest_idle()
                if idle is None:
                    raise naming_holders(error, self._settings.home, self._settings.device) from None
                log.info("unloading %s (%s) to make room for %s", *idle, entry.name)
                self._unload(idle)

    def _longest_idle(self) -> Place | None:
        with self._lock:
            idle = [
                (resident.last_used, place)
                for place, resident in self._residents.items()
                if (engines := resident.engines) is not None
                if engines.base.held_bytes and engines.num_running() == 0  # a remote one gives no memory back
            ]
        return min(idle)[1] if idle else None


def _release_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")  # not imported for engines that do without
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
