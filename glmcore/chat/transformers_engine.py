"""The engine on a transformers model: batched where that is possible, one at a time where it is not."""

from collections import Counter
from collections.abc import Mapping, Sequence

from glmcore.chat.asking import ask, check_logprobs
from glmcore.chat.batching import batched_generation
from glmcore.chat.batching_manager import PAGE_TOKENS
from glmcore.chat.generate_queue import GenerateQueue
from glmcore.chat.living_loop import LivingLoop
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.models import LoadedModel
from glmcore.models.places.devices import GIB, choose_device, describe_devices
from glmcore.models.places.memory import SMALLEST_CACHE_TOKENS

# Share of the free memory for the key/value cache where the settings leave it open. A CPU shares its
# memory with everything else, and 1 GiB holds tens of thousands of tokens of the models run there.
GPU_CACHE_SHARE = 0.5
CPU_CACHE_SHARE, CPU_CACHE_MAX_BYTES = 0.1, GIB
FULL_WINDOWS = 16  # a cache for more full conversations than this would only hold old ones


class TransformersEngine:
    """A `ChatEngine` over one loaded model."""

    kind = "transformers"

    def __init__(
        self, loaded: LoadedModel, *, kv_cache_gib: float = 0.0, max_batch_tokens: int = 512
    ) -> None:
        self.loaded = loaded
        self.model_name = loaded.name
        self.default_params: GenerationParams = loaded.default_params
        self.notes = loaded.notes
        self.window: int = loaded.window
        self._queue = GenerateQueue(loaded)
        self._batched: LivingLoop | None = None
        held = Counter(loaded.held_bytes)
        if loaded.can_batch and loaded.kv_bytes_per_token:
            cache_tokens = choose_cache_tokens(loaded, kv_cache_gib)
            self._batched = batched_generation(
                loaded, cache_tokens=cache_tokens, max_batch_tokens=max_batch_tokens
            )
            held[loaded.device] += cache_tokens * loaded.kv_bytes_per_token
            # A request larger than the whole cache could never be scheduled.
            self.window = min(loaded.window, cache_tokens - PAGE_TOKENS)
        self.held_bytes: Mapping[str, int] = held

    def submit(self, request: ChatRequest) -> TokenStream:
        check_logprobs(request)
        asked = ask(self.loaded, request, self.window, self.loaded.eos_token_ids)
        if self._batched is not None and can_batch(request):
            self._batched.start(asked.stream, asked.prompt_ids, asked.params)
        else:
            self._queue.start(asked.stream, asked.prompt_ids, asked.params, request.logprobs)
        return asked.stream

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self.loaded.prompt_ids(messages))

    def num_running(self) -> int:
        return self._queue.num_running() + (self._batched.num_running() if self._batched else 0)

    def trouble(self) -> GlmcoreError | None:
        trouble = self._batched.trouble() if self._batched is not None else None
        return trouble or self._queue.trouble()

    def close(self) -> None:
        self._queue.close()
        if self._batched is not None:
            self._batched.close()


def can_batch(request: ChatRequest) -> bool:
    """Whether continuous batching can do what a request asks for."""
    params = request.params
    has_seed = params.seed is not None and not params.is_greedy
    return not has_seed and params.repetition_penalty == 1.0 and request.logprobs is None


def choose_cache_tokens(loaded: LoadedModel, kv_cache_gib: float) -> int:
    """Size of the key/value cache: what the settings say; where they leave it open, from what is free now."""
    if kv_cache_gib:
        return max(int(kv_cache_gib * GIB) // loaded.kv_bytes_per_token, SMALLEST_CACHE_TOKENS)
    free = choose_device(loaded.device, describe_devices()).free_bytes
    on_cpu = loaded.device == "cpu"
    share = min(free * CPU_CACHE_SHARE, CPU_CACHE_MAX_BYTES) if on_cpu else free * GPU_CACHE_SHARE
    tokens = min(int(share) // loaded.kv_bytes_per_token, FULL_WINDOWS * loaded.window)
    return max(tokens, SMALLEST_CACHE_TOKENS)
