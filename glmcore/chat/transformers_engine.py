"""The engine on a transformers model: batched where that is possible, one at a time where it is not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from glmcore.chat.batching import PAGE_TOKENS, BatchedGeneration
from glmcore.chat.generate_queue import GenerateQueue
from glmcore.chat.text import CleanedText
from glmcore.chat.token_stream import TokenStream
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.models import LoadedModel
from glmcore.models.answer_text import as_it_is
from glmcore.models.places.devices import GIB, choose_device, describe_devices
from glmcore.models.places.memory import SMALLEST_CACHE_TOKENS
from glmcore.models.prompts import fit_window

# Share of the free memory for the key/value cache where the settings leave it open. A CPU shares its
# memory with everything else, and 1 GiB holds tens of thousands of tokens of the models run there.
GPU_CACHE_SHARE = 0.5
CPU_CACHE_SHARE, CPU_CACHE_MAX_BYTES = 0.1, GIB
FULL_WINDOWS = 16  # a cache for more full conversations than this would only hold old ones
CONTEXT_TOKENS = 8  # of a begun answer, for the spacing of what follows it


class TransformersEngine:
    """A `ChatEngine` over one loaded model."""

    def __init__(
        self, loaded: LoadedModel, *, kv_cache_gib: float = 0.0, max_batch_tokens: int = 512
    ) -> None:
        self.loaded = loaded
        self.model_name = loaded.name
        self.default_params: GenerationParams = loaded.default_params
        self.notes = loaded.notes
        self.window: int = loaded.window
        self._queue = GenerateQueue(loaded)
        self._batched: BatchedGeneration | None = None
        held = Counter(loaded.held_bytes)
        if loaded.can_batch and loaded.kv_bytes_per_token:
            cache_tokens = choose_cache_tokens(loaded, kv_cache_gib)
            self._batched = BatchedGeneration(
                loaded, cache_tokens=cache_tokens, max_batch_tokens=max_batch_tokens
            )
            held[loaded.device] += cache_tokens * loaded.kv_bytes_per_token
            # A request larger than the whole cache could never be scheduled.
            self.window = min(loaded.window, cache_tokens - PAGE_TOKENS)
        self.held_bytes: Mapping[str, int] = held

    def submit(self, request: ChatRequest) -> TokenStream:
        continues = bool(request.messages) and request.messages[-1].role == "assistant"
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
            end_ids=self.loaded.eos_token_ids,
            context=fitted.ids[-CONTEXT_TOKENS:] if continues else (),
            cleaned=self._cleaning_after(request.messages[-1].content if continues else ""),
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

    def _cleaning_after(self, begun: str) -> CleanedText | None:
        if self.loaded.family.clean is as_it_is:
            return None
        return CleanedText(self.loaded.family.clean, self.loaded.settled_answer, begun)

    def _generation_for(self, params: GenerationParams) -> BatchedGeneration | GenerateQueue:
        has_seed = params.seed is not None and not params.is_greedy
        if self._batched is None or has_seed or params.repetition_penalty != 1.0:
            return self._queue
        return self._batched


def choose_cache_tokens(loaded: LoadedModel, kv_cache_gib: float) -> int:
    """Size of the key/value cache: what the settings say; where they leave it open, from what is free now."""
    if kv_cache_gib:
        return max(int(kv_cache_gib * GIB) // loaded.kv_bytes_per_token, SMALLEST_CACHE_TOKENS)
    free = choose_device(loaded.device, describe_devices()).free_bytes
    on_cpu = loaded.device == "cpu"
    share = min(free * CPU_CACHE_SHARE, CPU_CACHE_MAX_BYTES) if on_cpu else free * GPU_CACHE_SHARE
    tokens = min(int(share) // loaded.kv_bytes_per_token, FULL_WINDOWS * loaded.window)
    return max(tokens, SMALLEST_CACHE_TOKENS)
