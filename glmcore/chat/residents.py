"""One model on its way into the memory of one engine, or there."""

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

from glmcore.chat.model_engines import ModelEngines
from glmcore.core.errors import GlmcoreError


@dataclass(frozen=True, slots=True)
class LoadState:
    """How far a model is; `stage` is an English text of the catalogue."""

    stage: str = ""
    fraction: float | None = None
    is_ready: bool = False
    error: GlmcoreError | None = None


class Place(NamedTuple):
    """Where a resident is: under the name of its model, in a kind of engine."""

    name: str
    kind: str


class Resident:
    """What a host knows of a model in one place."""

    def __init__(self) -> None:
        self.state = LoadState()
        self.done = threading.Event()
        self.engines: ModelEngines | None = None
        self.holding = ExitStack()  # what others are told while it is in memory
        self.last_used = time.monotonic()
        self.is_automatic = False  # somebody asked for the model without naming an engine
        self.was_given_up = False  # who asked so is served by another engine

    @property
    def has_failed(self) -> bool:
        return self.done.is_set() and self.state.error is not None
