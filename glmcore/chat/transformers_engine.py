"""The engine on a transformers model: batched where that is possible, one at a time where it is not."""

from collections.abc import Sequence
from dataclasses import replace

from glmcore.chat.batching import PAGE_TOKENS, BatchedGeneration
from glmcore.chat.generate_queue import GenerateQueue
from glmcore.chat.token_stream import TokenStream
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.models import LoadedModel
from glmcore.models.devices import choose_device, describe_devices
from glmcore.models.prompts import fit_window

GIB = 1024**3
# Share of the free memory for the key/value cache where the settings leave it open. A CPU shares its
# memory with everything else, and 1 GiB holds tens of thousands of tokens of the models run there.
GPU_CACHE_SHARE = 0.5
CPU_CACHE_SHARE, CPU_CACHE_MAX_BYTES = 0.1, GIB


class TransformersEngine:
    """A `ChatEngine` over one loaded model."""

    def __init__(self, loaded: LoadedModel, *, kv_cache_gib: float = 0.0, max_batch_tokens: int = 512) -> None:
        self.loaded = loaded
        self.model_name = loaded.name
        self.default_params: GenerationParams = loaded.default_params
        self.notes = loaded.notes
        self.window: int = loaded.window
        self._queue = GenerateQueue(loaded)
        self._batched: BatchedGeneration | None = None
        if loaded.can_batch:
            cache_bytes = int(kv_cache_gib * GIB) or default_cache_bytes(loaded.device)
            self._batched = BatchedGeneration(loaded, cache_bytes=cache_bytes, max_batch_tokens=max_batch_tokens)
            # A request larger than the whole cache could never be scheduled.
            self.window = min(loaded.window, self._batched.cache_tokens - PAGE_TOKENS)

    def submit(self, request: ChatRequest) -> TokenStream:
        continues = request.messages[-1].role == "assistant"
        fitted = fit_window(
            lambda messages: self.loaded.prompt_ids(messages, continue_last=continues),
            request.messages,
            max_new_tokens=request.params.max_new_tokens,
            window=self.window,
        )
        params = replace(request.params, max_new_tokens=fitted.max_new_tokens)
        stream = TokenStream(
            self.loaded.decode,
            prompt_tokens=len(fitted.ids),
            turns_left_out=fitted.turns_left_out,
            stop=params.stop,
        )
        self._generation_for(params).start(stream, fitted.ids, params)
        return stream

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self.loaded.prompt_ids(messages))

    def num_running(self) -> int:
        return self._queue.num_running() + (self._batched.num_running() if self._batched else 0)

    def close(self) -> None:
        self._queue.close()
        if self._batched is not None:
            self._batched.close()

    def _generation_for(self, params: GenerationParams) -> BatchedGeneration | GenerateQueue:
        needs_own_sampling = params.repetition_penalty != 1.0 or (params.seed is not None and not params.is_greedy)
        return self._queue if self._batched is None or needs_own_sampling else self._batched


def default_cache_bytes(device: str) -> int:
    """Memory for the key/value cache when the settings leave it open, from what is free now."""
    free = choose_device(device, describe_devices()).free_bytes
    if device == "cpu":
        return min(int(free * CPU_CACHE_SHARE), CPU_CACHE_MAX_BYTES)
    return int(free * GPU_CACHE_SHARE)
