"""The engines over one model's weights: its own, and those of the adapters that are in use on it."""

import logging
import threading
from collections.abc import Callable

from glmcore.chat.engine import ChatEngine
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, Progress

log = logging.getLogger(__name__)

MOST_ADAPTERS = 4  # kept per model; each holds threads, and a cache of its own where it can be batched

# Builds a model's engine, of the kind that `settings.engine` names: (entry, settings, progress) -> engine.
EngineBuilder = Callable[[ModelEntry, Settings, Progress], ChatEngine]
# Builds an adapter's engine: (the model's own engine, the adapter's name, settings) -> engine.
AdapterEngineBuilder = Callable[[ChatEngine, str, Settings], ChatEngine]


def unexpected_fault(name: str, fault: Exception) -> EngineError:
    """For who waits for what a fault of ours keeps from being loaded."""
    return EngineError("{name} could not be loaded ({fault}); see the server's log.", name=name, fault=fault)


class ModelEngines:
    """Gives out a model's engine with or without an adapter; every member may be used from any thread."""

    def __init__(self, base: ChatEngine, build: AdapterEngineBuilder, settings: Settings) -> None:
        self.base = base
        self._build_engine, self._settings = build, settings
        self._adapted: dict[str, ChatEngine] = {}  # the one that was asked for last is the last
        self._is_closed = False
        self._lock = threading.Lock()  # guards the dictionary
        self._building = threading.Lock()  # who asks for an adapter that is there does not wait for another

    def engine(self, adapter: str | None = None) -> ChatEngine:
        """The engine for requests with an adapter, which is attached at its first use.

        Raises:
            ModelLoadError, NotFoundError: the adapter is broken, does not fit the model, or is not there.
            EngineError: the model was unloaded meanwhile.
        """
        if adapter is None:
            return self.base
        if (engine := self._find(adapter)) is not None:
            return engine
        with self._building:
            return self._find(adapter) or self._add(adapter, self._build(adapter))

    def num_running(self) -> int:
        """Requests that run or wait, also for an adapter that is being attached."""
        return self._building.locked() + sum(
            engine.num_running() for engine in (self.base, *self._all_adapted())
        )

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            engines = [*self._adapted.values(), self.base]
            self._adapted.clear()
        for engine in engines:
            engine.close()

    def _find(self, adapter: str) -> ChatEngine | None:
        with self._lock:
            engine = self._adapted.pop(adapter, None)
            if engine is not None:
                self._adapted[adapter] = engine
            return engine

    def _build(self, adapter: str) -> ChatEngine:
        try:
            return self._build_engine(self.base, adapter, self._settings)
        except GlmcoreError:
            raise
        except Exception as fault:
            log.exception("attaching %s failed", adapter)
            raise unexpected_fault(adapter, fault) from fault

    def _add(self, adapter: str, engine: ChatEngine) -> ChatEngine:
        with self._lock:
            spare = [engine] if self._is_closed else self._take_spare()
            if not self._is_closed:
                self._adapted[adapter] = engine
        for unwanted in spare:
            unwanted.close()
        if self._is_closed:
            raise EngineError("{name} was unloaded while it was waited for; ask again.", name=adapter)
        log.info("attached %s to %s", adapter, self.base.model_name)
        return engine

    def _take_spare(self) -> list[ChatEngine]:
        """Remove the longest unused engines so that there is a place for another one; never a busy one."""
        idle = [name for name, engine in self._adapted.items() if engine.num_running() == 0]
        too_many = len(self._adapted) + 1 - MOST_ADAPTERS
        return [self._adapted.pop(name) for name in idle[: max(0, too_many)]]

    def _all_adapted(self) -> list[ChatEngine]:
        with self._lock:
            return list(self._adapted.values())
