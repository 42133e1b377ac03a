"""An engine's loop that is started when it is needed: with the first request, and again after a death."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from glmcore.chat.mending import Mender
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.messages import GenerationParams

log = logging.getLogger(__name__)

SHORTEST = GenerationParams(temperature=0.0, max_new_tokens=1)


class Loop(Protocol):
    """One life of what answers requests together."""

    @property
    def is_alive(self) -> bool: ...

    def num_requests(self) -> int: ...

    def add(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request. Raises EngineError when the loop has ended."""

    def end_error(self) -> EngineError:
        """What a loop that is not alive any more tells its requests."""

    def stop(self) -> None:
        """End it at once and give its memory back; requests in flight end as cancelled."""


# Starts one, or raises a GlmcoreError; what it is given is told why the loop died, unless it was stopped.
LoopStarter = Callable[[Callable[[GlmcoreError], None]], Loop]


class LivingLoop:
    """Hands requests to a living loop; every member may be used from any thread."""

    def __init__(self, start: LoopStarter, model_name: str, name: str) -> None:
        self._start, self._model_name, self._name = start, model_name, name
        self._loop: Loop | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        self._mender = Mender(self._answer_one_token, name)

    def wake(self) -> None:
        """Start the loop now rather than with the first request. Raises as `start`."""
        self._living()

    def start(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request.

        Raises:
            EngineError, NotEnoughMemoryError: the loop cannot start, or this was closed.
        """
        self._living().add(stream, prompt_ids, params)

    def num_running(self) -> int:
        loop = self._loop
        return loop.num_requests() if loop else 0

    def trouble(self) -> GlmcoreError | None:
        """Why no request could be answered just now; None where one could."""
        loop = self._loop
        return loop.end_error() if loop is not None and not loop.is_alive else self._mender.trouble()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._end_loop()
        self._mender.close()

    def _living(self) -> Loop:
        with self._lock:
            if self._is_closed:
                raise EngineError("{model} was unloaded; ask again.", model=self._model_name)
            if self._loop is not None and not self._loop.is_alive:
                log.warning("%s had died; starting it again", self._name)
                self._end_loop()
            if self._loop is None:
                self._loop = self._start_loop()
            return self._loop

    def _start_loop(self) -> Loop:
        began = time.perf_counter()
        try:
            loop = self._start(self._mender.notice)
        except GlmcoreError as error:
            self._mender.notice(error)
            raise
        log.info("%s ready after %.2f s", self._name, time.perf_counter() - began)
        self._mender.hurry()  # which finds it there
        return loop

    def _answer_one_token(self) -> None:
        """Start the loop if need be, and raise what a request would be told."""
        stream = TokenStream(str, prompt_tokens=1)
        self.start(stream, [0], SHORTEST)
        for _token in stream:
            pass

    def _end_loop(self) -> None:
        """Before another is built, or both caches would be in memory."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()
