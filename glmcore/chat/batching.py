"""Many answers at once on one device: transformers' continuous batching behind `TokenStream`s.

Paged key/value cache, prefix sharing between requests, sampling per request, cancel. A loop that
dies fails its requests and is built anew for the next one.
"""

import itertools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig
from transformers.generation import ContinuousBatchingConfig
from transformers.generation.logits_process import LogitsProcessorList

from glmcore.chat.sampling import CandidateSampling
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.models import LoadedModel

log = logging.getLogger(__name__)

PAGE_TOKENS = 32  # a shared prefix is reused in pages of this size; smaller ones cost bookkeeping
START_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.1


@dataclass
class _Request:
    stream: TokenStream
    number: int
    num_seen: int = 0  # tokens already passed on
    has_started: bool = False


class BatchingLoop:
    """One life of the batching manager with the thread that hands its results to their streams."""

    def __init__(self, loaded: LoadedModel, *, cache_tokens: int, max_batch_tokens: int) -> None:
        self._loaded = loaded
        self._requests: dict[str, _Request] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._started = threading.Event()
        self._fault: Exception | None = None
        self._manager = self._build_manager(cache_tokens, max_batch_tokens)
        # A daemon: the manager's own thread inherits that from the thread that starts it, so a
        # server that ends never waits for a generation.
        self._thread = threading.Thread(target=self._serve, name="batching", daemon=True)
        self._thread.start()
        self._started.wait(START_TIMEOUT_SECONDS)

    def _build_manager(self, cache_tokens: int, max_batch_tokens: int) -> Any:
        on_cpu = self._loaded.device == "cpu"
        config = ContinuousBatchingConfig(
            num_blocks=max(cache_tokens // PAGE_TOKENS, 1),
            page_size=PAGE_TOKENS,
            max_batch_tokens=max_batch_tokens,
            per_request_processors=True,
            use_async_batching=False if on_cpu else None,
            auto_switch_to_flash=not on_cpu,
        )
        # A processor exists only if the configuration it starts with is not neutral.
        sampling = GenerationConfig(do_sample=True, temperature=0.7, top_k=50, top_p=0.9, eos_token_id=-1)
        manager = self._loaded.model.init_continuous_batching(
            generation_config=sampling, continuous_batching_config=config
        )
        if on_cpu:
            processors = manager.logit_processor
            processors.logits_processor = LogitsProcessorList([CandidateSampling()])
            processors.tensors_required = 1
            processors._retrieve_processors_kwargs()
        return manager

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and self._fault is None

    def num_requests(self) -> int:
        with self._lock:
            return len(self._requests)

    def add(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request. Raises EngineError when the loop has died."""
        number = next(self._numbers)
        request_id = f"answer-{number}"
        stream.attach(
            cancel=lambda: self._cancel(request_id),
            requests_ahead=lambda: self._requests_before(number),
        )
        with self._lock:
            self._requests[request_id] = _Request(stream, number)
        vocabulary = self._loaded.model.config.get_text_config().vocab_size
        accepted = self._manager.add_request(
            list(prompt_ids),
            request_id=request_id,
            max_new_tokens=params.max_new_tokens,
            eos_token_id=list(self._loaded.eos_token_ids) or -1,
            streaming=True,
            temperature=params.temperature or 1.0,
            top_k=1 if params.is_greedy else (params.top_k or vocabulary),
            top_p=params.top_p,
        )
        if accepted is None or not self.is_alive:
            self._drop(request_id)
            raise EngineError("The engine stopped ({fault}); ask again.", fault=self._fault)

    def stop(self) -> None:
        """End the loop at once; requests in flight end as cancelled."""
        for request in self._take_all():
            request.stream.finish(StopReason.CANCELLED)
        if self._manager.is_running():
            self._manager.stop(block=True, timeout=10, hard_stop=True)

    def _cancel(self, request_id: str) -> None:
        self._drop(request_id)
        self._manager.cancel_request(request_id)

    def _drop(self, request_id: str) -> _Request | None:
        with self._lock:
            return self._requests.pop(request_id, None)

    def _requests_before(self, number: int) -> int:
        with self._lock:
            return sum(1 for other in self._requests.values() if other.number < number and not other.has_started)

    def _take_all(self) -> list[_Request]:
        with self._lock:
            requests = list(self._requests.values())
            self._requests.clear()
        return requests

    def _serve(self) -> None:
        try:
            self._manager.start()
            self._started.set()
            while self._manager.is_running():
                output = self._manager.get_result(timeout=POLL_SECONDS)
                if output is not None:
                    self._deliver(output)
                elif self._manager.background_thread_status.fatal_error is not None:
                    break
            self._fault = self._manager.background_thread_status.fatal_error
        except Exception as fault:
            log.exception("the batching loop died")
            self._fault = fault
        finally:
            self._started.set()
            for request in self._take_all():
                fault = self._fault or EngineError("The engine was closed; ask again.")
                request.stream.fail(fault)

    def _deliver(self, output: Any) -> None:
        """Pass the new tokens of one result on to its stream."""
        with self._lock:
            request = self._requests.get(output.request_id)
        if request is None:  # cancelled meanwhile
            return
        new_tokens = output.generated_tokens[request.num_seen :]
        request.num_seen += len(new_tokens)
        request.has_started = True
        if new_tokens:
            request.stream.put(new_tokens)
        if not output.is_finished() and output.error is None:
            return
        self._drop(output.request_id)
        if output.error is not None:
            request.stream.fail(EngineError("The engine failed ({fault}); ask again.", fault=output.error))
        else:
            ended = bool(new_tokens) and new_tokens[-1] in self._loaded.eos_token_ids
            request.stream.finish(StopReason.END if ended else StopReason.LENGTH)


class BatchedGeneration:
    """Continuous batching that starts with the first request and again after a death."""

    def __init__(self, loaded: LoadedModel, *, cache_bytes: int, max_batch_tokens: int) -> None:
        self._loaded = loaded
        self._max_batch_tokens = max_batch_tokens
        self.cache_tokens = max(cache_bytes // loaded.kv_bytes_per_token, PAGE_TOKENS)
        self._loop: BatchingLoop | None = None
        self._lock = threading.Lock()

    def start(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        self._living_loop().add(stream, prompt_ids, params)

    def num_running(self) -> int:
        return self._loop.num_requests() if self._loop else 0

    def close(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.stop()
                self._loop = None

    def _living_loop(self) -> BatchingLoop:
        with self._lock:
            if self._loop is None or not self._loop.is_alive:
                if self._loop is not None:
                    log.warning("the batching loop had died; starting a new one")
                started = time.perf_counter()
                self._loop = BatchingLoop(
                    self._loaded, cache_tokens=self.cache_tokens, max_batch_tokens=self._max_batch_tokens
                )
                log.info("batching loop ready after %.2f s", time.perf_counter() - started)
            return self._loop
