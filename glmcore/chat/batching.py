"""Many answers at once on one device: transformers' continuous batching behind `TokenStream`s.

Paged key/value cache, prefix sharing between requests, sampling per request, cancel. A loop that
dies fails its requests and is built anew for the next one.
"""

import atexit
import itertools
import logging
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation import ContinuousBatchingConfig
from transformers.generation.logits_process import LogitsProcessorList

from glmcore.chat.sampling import CandidateSampling, limits_of
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError, GlmcoreError, NotEnoughMemoryError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.models import LoadedModel
from glmcore.models.native.sharing import on_same_weights

log = logging.getLogger(__name__)
# It has a handler of its own and warns of what is no fault: a token too many, a manager that was not started.
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)

PAGE_TOKENS = 32  # a shared prefix is reused in pages of this size; smaller ones cost bookkeeping
POLL_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 10.0


@dataclass
class _Request:
    stream: TokenStream
    number: int
    num_seen: int = 0  # tokens already passed on
    has_started: bool = False


class BatchingLoop:
    """One life of the batching manager with the thread that hands its results to their streams."""

    def __init__(self, loaded: LoadedModel, *, cache_tokens: int, max_batch_tokens: int) -> None:
        """Start it, or raise NotEnoughMemoryError or EngineError."""
        self._eos_token_ids = loaded.eos_token_ids
        self._requests: dict[str, _Request] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._is_ready = threading.Event()
        self._fault: Exception | None = None
        self._manager = _build_manager(loaded.model, cache_tokens, max_batch_tokens)
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
        with self._lock:
            return len(self._requests)

    def add(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request. Raises EngineError when the loop has ended."""
        number = next(self._numbers)
        request_id = f"answer-{number}"
        stream.attach(
            cancel=lambda: self._cancel(request_id),
            requests_ahead=lambda: self._requests_before(number),
        )
        with self._lock:
            self._requests[request_id] = _Request(stream, number)
        accepted = self._manager.add_request(
            list(prompt_ids),
            request_id=request_id,
            max_new_tokens=params.max_new_tokens,
            eos_token_id=list(self._eos_token_ids) or -1,
            streaming=True,
            **limits_of(params),
        )
        if accepted is None:
            self._drop(request_id)
            raise self._end_error()

    def stop(self) -> None:
        """End the loop at once and free its cache; requests in flight end as cancelled."""
        if self.is_alive:  # of a dead one the requests have failed, which its thread tells them
            for request in self._take_all():
                request.stream.finish(StopReason.CANCELLED)
        self._manager.stop(block=True, timeout=STOP_TIMEOUT_SECONDS, hard_stop=True)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        atexit.unregister(self.stop)

    def _cancel(self, request_id: str) -> None:
        self._drop(request_id)
        self._manager.cancel_request(request_id)

    def _drop(self, request_id: str) -> None:
        with self._lock:
            self._requests.pop(request_id, None)

    def _requests_before(self, number: int) -> int:
        with self._lock:
            return sum(other.number < number and not other.has_started for other in self._requests.values())

    def _take_all(self) -> list[_Request]:
        with self._lock:
            requests = list(self._requests.values())
            self._requests.clear()
        return requests

    def _end_error(self) -> EngineError:
        if self._fault is None:
            return EngineError("The engine was closed; ask again.")
        return EngineError("The engine stopped ({fault}); ask again.", fault=self._fault)

    # The thread of this loop.

    def _serve(self) -> None:
        try:
            self._manager.start()
            while self._manager.batch_processor is None and self._manager.is_running():
                time.sleep(0.002)  # it takes the memory for its cache
            self._note_fault()
            self._is_ready.set()
            self._deliver_all()
            self._note_fault()
        except Exception as fault:
            log.exception("the batching loop died")
            self._fault = fault
        finally:
            self._is_ready.set()
            for request in self._take_all():
                request.stream.fail(self._end_error())

    def _note_fault(self) -> None:
        fault = self._manager.background_thread_status.fatal_error
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
        with self._lock:
            request = self._requests.get(output.request_id)
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
        self._drop(output.request_id)
        if output.error is not None:
            request.stream.fail(EngineError("The engine stopped ({fault}); ask again.", fault=output.error))
        else:
            ended = output.generated_tokens[-1] in self._eos_token_ids
            request.stream.finish(StopReason.END if ended else StopReason.LENGTH)


class BatchedGeneration:
    """Continuous batching that starts with the first request and again after a death."""

    def __init__(self, loaded: LoadedModel, *, cache_tokens: int, max_batch_tokens: int) -> None:
        self._loaded = loaded
        self._cache_tokens = cache_tokens
        self._max_batch_tokens = max_batch_tokens
        self._loop: BatchingLoop | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def start(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request.

        Raises:
            EngineError, NotEnoughMemoryError: the loop cannot start, or this was closed.
        """
        self._living_loop().add(stream, prompt_ids, params)

    def num_running(self) -> int:
        loop = self._loop
        return loop.num_requests() if loop else 0

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._end_loop()

    def _living_loop(self) -> BatchingLoop:
        with self._lock:
            if self._is_closed:
                raise EngineError("{model} was unloaded; ask again.", model=self._loaded.name)
            if self._loop is not None and not self._loop.is_alive:
                log.warning("the batching loop had died; starting a new one")
                self._end_loop()
            if self._loop is None:
                started = time.perf_counter()
                self._loop = BatchingLoop(
                    self._loaded, cache_tokens=self._cache_tokens, max_batch_tokens=self._max_batch_tokens
                )
                log.info("batching loop ready after %.2f s", time.perf_counter() - started)
            return self._loop

    def _end_loop(self) -> None:
        """Before another is built, or both caches would be in memory."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()


def _build_manager(model: Any, cache_tokens: int, max_batch_tokens: int) -> Any:
    config = ContinuousBatchingConfig(
        num_blocks=max(cache_tokens // PAGE_TOKENS, 1),
        page_size=PAGE_TOKENS,
        max_batch_tokens=max_batch_tokens,
        seed=secrets.randbits(32),  # by itself it takes the same one in every new process
        use_async_batching=False,  # `CandidateSampling` needs the steps one after the other
        use_cuda_graph=False,
        auto_switch_to_flash=False,  # would fetch a kernel from the model hub
    )
    # On a copy: while a batch is computed transformers sets `is_causal` in the config to False. A `generate`
    # in another thread would look into the future meanwhile, and forever if it restores the value last.
    manager = on_same_weights(model).init_continuous_batching(
        generation_config=GenerationConfig(do_sample=True, eos_token_id=-1), continuous_batching_config=config
    )
    processors = manager.logit_processor
    processors.logits_processor = LogitsProcessorList([CandidateSampling()])
    processors.tensors_required = 1
    processors.do_processing = True
    processors._retrieve_processors_kwargs()
    return manager


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
