"""Which engine of this machine answers with a model: the one asked for, or the one that is best for it.

Cheap enough for every rerun of a page: without a GPU in sight torch is not even imported.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache

from glmcore.core.errors import ConfigError, EngineError, GlmcoreError, ModelLoadError, StorageError
from glmcore.core.settings import ENGINES, Settings
from glmcore.models import ModelEntry, openvino
from glmcore.models.places.devices import describe_devices

log = logging.getLogger(__name__)

AUTO, REMOTE = "auto", "remote"
TRANSFORMERS, OPENVINO = ENGINES
# Of NVIDIA's driver, also on Jetson boards and under Windows; of AMD's.
GPU_FILES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")

# With what transformers may have more luck: missing memory is not among it.
CURABLE = (ModelLoadError, EngineError, StorageError)


def choose_engine(entry: ModelEntry, settings: Settings, asked: str | None = None) -> str:
    """The engine for a model; `asked` goes before the setting.

    Raises:
        ConfigError: there is no such engine, or it cannot have this model.
    """
    if entry.kind == "remote":
        if asked is not None:
            raise ConfigError(
                "{name} answers on another server, which has its own engine; leave engine out.",
                name=entry.name,
                param="engine",
            )
        return REMOTE
    wanted = asked or settings.engine
    if wanted == AUTO:
        return _best_engine(entry, settings)
    if wanted not in ENGINES:
        raise ConfigError(
            "engine is {found!r}; expected one of {known}.",
            found=wanted,
            known=", ".join(ENGINES),
            param="engine",
        )
    if wanted == OPENVINO and (reason := openvino.reason_against(entry, settings)) is not None:
        raise ConfigError(
            "The openvino engine cannot answer with {name}; choose the engine transformers. {reason}",
            name=entry.name,
            reason=reason,
            param="engine",
        )
    if wanted == TRANSFORMERS and _is_openvino_folder(entry):
        raise ConfigError(
            "{name} is in OpenVINO's form, which transformers cannot read; choose the engine openvino.",
            name=entry.name,
            param="engine",
        )
    return wanted


def engines_for(entry: ModelEntry, settings: Settings) -> tuple[str, ...]:
    """The engines of this machine that can have a model, as far as can be told without loading it."""
    if entry.kind == "remote":
        return ()
    if _is_openvino_folder(entry):
        return (OPENVINO,)
    return ENGINES if openvino.reason_against(entry, settings) is None else (TRANSFORMERS,)


def refused_by(reason: GlmcoreError, adapter: str) -> ConfigError:
    """For who asked for the openvino engine with an adapter that it cannot serve."""
    return ConfigError(
        "The openvino engine cannot answer with the adapter {adapter!r}; choose the engine transformers. "
        "{reason}",
        adapter=adapter,
        reason=reason,
        param="engine",
    )


class AutomaticEngines:
    """The engine of each model where nobody names one: chosen, and given up where it cannot load the model.

    Every member may be used from any thread; only `choose` and `give_up` read from the disk.
    """

    def __init__(self, settings: Settings, find: Callable[[str], ModelEntry]) -> None:
        self._settings, self._find = settings, find
        self._kinds: dict[str, str] = {}
        self._given_up: dict[str, GlmcoreError] = {}
        self._lock = threading.Lock()

    def is_free(self, asked: str | None) -> bool:
        """Whether neither the asker nor the settings want a certain engine."""
        return asked is None and self._settings.engine == AUTO

    def kind(self, name: str) -> str | None:
        """What was chosen last; None where nothing was."""
        return self._kinds.get(name)

    def choose(self, name: str) -> None:
        """Choose for a model, or again after something may have changed."""
        try:
            kind = choose_engine(self._find(name), self._settings)
        except GlmcoreError:  # said when it is loaded
            kind = self._settings.engine if self._settings.engine in ENGINES else TRANSFORMERS
        with self._lock:
            self._kinds[name] = TRANSFORMERS if name in self._given_up else kind

    def of_entry(self, entry: ModelEntry) -> str:
        """What would be chosen for a listed model now.

        Raises:
            ConfigError: the settings want an engine that cannot have it.
        """
        return TRANSFORMERS if entry.name in self._given_up else choose_engine(entry, self._settings)

    def reason_against_openvino(self, entry: ModelEntry) -> GlmcoreError | None:
        return self._given_up.get(entry.name) or openvino.reason_against(entry, self._settings)

    def give_up(self, name: str, kind: str, error: GlmcoreError) -> bool:
        """Leave a model to transformers from now on; whether that is what a failed load leads to."""
        is_chosen = self.is_free(None) and kind == OPENVINO == self._kinds.get(name)
        if not is_chosen or not isinstance(error, CURABLE) or self._is_only_here(name):
            return False
        with self._lock:
            self._given_up[name] = error
            self._kinds[name] = TRANSFORMERS
        log.warning("transformers serves %s, since the openvino engine cannot load it: %s", name, error)
        return True

    def reconsider(self, name: str) -> None:
        """Choose anew at the next load: the model was unloaded, or nothing can load it as it is."""
        with self._lock:
            self._given_up.pop(name, None)

    def _is_only_here(self, name: str) -> bool:
        try:
            return _is_openvino_folder(self._find(name))
        except GlmcoreError:
            return True  # it has gone, which says enough


def _best_engine(entry: ModelEntry, settings: Settings) -> str:
    if not _is_for_cpu(settings) and not _is_openvino_folder(entry):
        return TRANSFORMERS
    return OPENVINO if OPENVINO in engines_for(entry, settings) else TRANSFORMERS


def _is_for_cpu(settings: Settings) -> bool:
    """Whether models compute on the CPU, in whatever numbers are best there."""
    if settings.quantize != "off" or settings.dtype != AUTO:
        return False
    return settings.device == "cpu" or (settings.device == AUTO and not has_gpu())


def _is_openvino_folder(entry: ModelEntry) -> bool:
    """Whether it has weights for no other engine."""
    return entry.kind == "folder" and entry.detail == "OpenVINO"


@lru_cache(maxsize=1)
def has_gpu() -> bool:
    """Whether models can compute on a GPU here."""
    if sys.platform == "linux" and not any(map(os.path.exists, GPU_FILES)):
        return False
    return any(device.name != "cpu" for device in describe_devices())
