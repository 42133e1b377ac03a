"""Many answers at once on one device: transformers' continuous batching behind `TokenStream`s.

Paged key/value cache, prefix sharing between requests, sampling per request, cancel. A loop that
dies fails its requests and is built anew, at once for the next request and soon without one.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from glmcore.chat.batching_manager import build_manager
from glmcore.chat.in_flight import InFlight
from glmcore.chat.living_loop import LivingLoop
from glmcore.chat.mending import stopped
from glmcore.chat.sampling import limits_of
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError, GlmcoreError, NotEnoughMemoryError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.models import LoadedModel

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 10.0


class BatchingLoop:
    """One life of the batching manager with the thread that hands its results to their streams."""

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        cache_tokens: int,
        max_batch_tokens: int,
        on_death: Callable[[GlmcoreError], None],
    ) -> None:
        """Start it, or raise NotEnoughMemoryError or EngineError.

        Args:
            on_death: told by the loop's own thread why it ended, unless it was stopped.
        """
        self._on_death = on_death
        self._is_stopping = False
        self._eos_token_ids = loaded.eos_token_ids
        self._requests = InFlight()
        self._is_ready = threading.Event()
        self._fault: BaseException | None = None
        self._manager = build_manager(loaded.model, cache_tokens, max_batch_tokens)
        # A daemon: the manager's own thread inherits that from the thread that starts it, so a
        # program that ends never waits for a generation. It does stop it, as a thread that is killed
        # inside torch takes the process down.
        atexit.register(self.stop)
        self._thread = threading.Thread(target=self._serve, name="batching", daemon=True)
        self._thread.start()
        self._is_ready.wait()
        if self._fault is not None:
            self.stop()
            raise _start_error(loaded.name, self._fault)

    @property
    def is_alive(self) -> bool:
        status = self._manager.background_thread_status
        return self._fault is None and status.can_accept_new_requests() is None

    def num_requests(self) -> int:
        return len(self._requests)

    def add(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request. Raises EngineError when the loop has ended."""
        number = self._requests.add(stream, self._cancel)
        accepted = self._manager.add_request(
            list(prompt_ids),
            request_id=str(number),
            max_new_tokens=params.max_new_tokens,
            eos_token_id=list(self._eos_token_ids) or -1,
            streaming=True,
            **limits_of(params),
        )
        if accepted is None:
            self._requests.drop(number)
            raise self.end_error()

    def end_error(self) -> EngineError:
        """What a loop that is not alive any more tells its requests."""
        if self._is_stopping and self._fault is None:
            return EngineError("The engine was closed; ask again.")
        return stopped(self._fault or self._manager.background_thread_status.fatal_error or _ended())

    def stop(self) -> None:
        """End the loop at once and free its cache; requests in flight end as cancelled."""
        self._is_stopping = self.is_alive
        if self._is_stopping:  # of a dead one the requests have failed, which its thread tells them
            for request in self._requests.take_all():
                request.stream.finish(StopReason.CANCELLED)
        self._manager.stop(block=True, timeout=STOP_TIMEOUT_SECONDS, hard_stop=True)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        atexit.unregister(self.stop)

    def _cancel(self, number: int) -> None:
        self._requests.drop(number)
        self._manager.cancel_request(str(number))

    # The thread of this loop.

    def _serve(self) -> None:
        has_started = False
        try:
            self._manager.start()
            while self._manager.batch_processor is None and self._manager.is_running():
                time.sleep(0.002)  # it takes the memory for its cache
            self._note_fault()
            has_started = self._fault is None
            self._is_ready.set()
            self._deliver_all()
            self._note_fault()
        except BaseException as fault:
            log.exception("the batching loop died")
            self._fault = fault.with_traceback(None)
        finally:
            self._is_ready.set()
            for request in self._requests.take_all():
                request.stream.fail(self.end_error())
            if has_started and not self._is_stopping:
                self._on_death(self.end_error())

    def _note_fault(self) -> None:
        fault = self._manager.background_thread_status.fatal_error
        if fault is None and not self._is_stopping and not self._manager.is_running():
            fault = _ended()
        # Its traceback would hold the cache; the manager has logged it.
        self._fault = fault and fault.with_traceback(None)

    def _deliver_all(self) -> None:
        while True:
            was_running = self._manager.is_running()
            output = self._manager.get_result(timeout=POLL_SECONDS)
            if output is not None:
                self._deliver(output)
            elif not was_running:
                return

    def _deliver(self, output: Any) -> None:
        """Pass the new tokens of one result on to its stream."""
        request = self._requests.find(int(output.request_id))
        if request is None:  # cancelled; once more, as the first time may have come before the request itself
            if not output.is_finished():
                self._manager.cancel_request(output.request_id)
            return
        new_tokens = output.generated_tokens[request.num_seen :]
        request.num_seen += len(new_tokens)
        request.has_started = True
        if new_tokens:
            request.stream.put(new_tokens)
        if not output.is_finished():
            return
        self._requests.drop(request.number)
        if output.error is not None:
            request.stream.fail(EngineError("The engine stopped ({fault}); ask again.", fault=output.error))
        else:
            ended = output.generated_tokens[-1] in self._eos_token_ids
            request.stream.finish(StopReason.END if ended else StopReason.LENGTH)


def batched_generation(loaded: LoadedModel, *, cache_tokens: int, max_batch_tokens: int) -> LivingLoop:
    """Continuous batching that starts with the first request and again after a death."""

    def start(on_death: Callable[[GlmcoreError], None]) -> BatchingLoop:
        return BatchingLoop(
            loaded, cache_tokens=cache_tokens, max_batch_tokens=max_batch_tokens, on_death=on_death
        )

    return LivingLoop(start, loaded.name, "batching")


def _ended() -> RuntimeError:
    """Of a thread that is gone and left no error behind."""
    return RuntimeError("its thread ended")


def _start_error(model: str, fault: Exception) -> GlmcoreError:
    if isinstance(fault, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(fault):
        return NotEnoughMemoryError(
            "There is not enough memory for the key/value cache of {model} ({fault}); make kv_cache_gib "
            "smaller, unload other models, or choose a smaller model.",
            model=model,
            fault=fault,
        )
    return EngineError(
        "The engine for {model} could not start ({fault}); see the server's log.", model=model, fault=fault
    )
