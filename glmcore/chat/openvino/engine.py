"""The engine for CPUs: OpenVINO GenAI's continuous batching, in a process of its own."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glmcore.chat.asking import ask
from glmcore.chat.living_loop import LivingLoop
from glmcore.chat.openvino.process import EngineProcess
from glmcore.chat.openvino.wire import Start
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, Progress
from glmcore.models.openvino import OpenVinoModel
from glmcore.models.places.devices import GIB, cpu_memory
from glmcore.models.places.memory import SMALLEST_CACHE_TOKENS, check_fits

BLOCK_TOKENS = 32  # of the key/value cache; OpenVINO's on a CPU
# Bytes of a number in that cache. Of 8 bits each head of a token has a scale and a zero point beside them.
CACHE_NUMBER_BYTES = {"auto": 1.25, "u8": 1.25, "f16": 2.0, "f32": 4.0}
# Where the settings leave the size open: one full conversation, or many short ones, but not more than this
# share of the free memory.
CACHE_SHARE = 0.1
LEAST_CACHE_BYTES = GIB // 16
PROCESS_BYTES = 150 * 2**20  # of Python, OpenVINO and the memory that it computes in
STARTING = mark("Starting the engine")
WEIGHT_COPIES = 2  # OpenVINO lays the weights out anew for the processor


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedAdapter:
    """A LoRA that this engine can compute with: a safetensors file, and what its product is multiplied by."""

    name: str
    path: Path
    scale: float


class OpenVinoEngine:
    """A `ChatEngine` over one model in OpenVINO's form, with or without an adapter."""

    kind = "openvino"

    def __init__(
        self, model: OpenVinoModel, settings: Settings, adapter: FittedAdapter | None = None
    ) -> None:
        """Start its process and wait until it is ready.

        Raises:
            EngineError: OpenVINO cannot compute it.
            NotEnoughMemoryError: said before anything is started.
        """
        self.model = model
        self.model_name = model.name
        self.default_params: GenerationParams = model.default_params
        self.notes = model.notes
        blocks = _cache_blocks(model, settings)
        # A request larger than the whole cache could never be scheduled.
        self.window: int = min(model.window, (blocks - 1) * BLOCK_TOKENS)
        self._start = _start_of(model, settings, blocks, adapter)
        self.held_bytes: Mapping[str, int] = {}
        self._loop = LivingLoop(self._start_process, model.name, "openvino")
        self._loop.wake()

    def submit(self, request: ChatRequest) -> TokenStream:
        if request.logprobs is not None:
            raise ConfigError(
                "logprobs are not told by the engine openvino; leave them out, or ask the engine "
                "transformers.",
                param="logprobs",
            )
        asked = ask(self.model.text, request, self.window, self.model.eos_token_ids)
        self._loop.start(asked.stream, asked.prompt_ids, asked.params)
        return asked.stream

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self.model.text.prompt_ids(messages))

    def num_running(self) -> int:
        return self._loop.num_running()

    def trouble(self) -> GlmcoreError | None:
        return self._loop.trouble()

    def close(self) -> None:
        self._loop.close()

    def _start_process(self, on_death: Callable[[GlmcoreError], None]) -> EngineProcess:
        process = EngineProcess(
            self._start, name=self.model_name, end_ids=self.model.eos_token_ids, on_death=on_death
        )
        self.held_bytes = {"cpu": process.ready.held_bytes + process.ready.cache_bytes}
        return process


def build_openvino_engine(entry: ModelEntry, settings: Settings, progress: Progress) -> OpenVinoEngine:
    """Bring a model into OpenVINO's form, where that is not done yet, and start the engine on it.

    Raises:
        ModelLoadError, NotEnoughMemoryError, EngineError, StorageError: it cannot be had in this engine.
    """
    from glmcore.models.openvino import prepare

    model = prepare(entry, settings, progress)
    progress(STARTING, None)
    return OpenVinoEngine(model, settings)


def _start_of(model: OpenVinoModel, settings: Settings, blocks: int, adapter: FittedAdapter | None) -> Start:
    return Start(
        folder=str(model.folder),
        cache_blocks=blocks,
        max_batch_tokens=settings.max_batch_tokens,
        max_sequences=settings.max_running_answers,
        properties=device_properties(settings),
        prompt_lookup=settings.prompt_lookup,
        adapter=str(adapter.path) if adapter else None,
        adapter_scale=adapter.scale if adapter else 1.0,
    )


def device_properties(settings: Settings) -> dict[str, str | int]:
    """OpenVINO's properties of the processor.

    To be fast it turns the numbers that go into a product of matrices into 8 bits as they come, so that the
    last bits depend on how many answers are computed together. Exact batches do without that.
    """
    properties: dict[str, str | int] = {"INFERENCE_NUM_THREADS": settings.cpu_threads or usable_threads()}
    if settings.exact_batches:
        properties |= {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    if (precision := _cache_precision(settings)) != "auto":
        properties["KV_CACHE_PRECISION"] = precision
    return properties


def _cache_precision(settings: Settings) -> str:
    is_open = settings.kv_cache_precision == "auto"
    return "f32" if is_open and settings.exact_batches else settings.kv_cache_precision


def usable_threads() -> int:
    """Processors that this process may use: a container may have fewer than the machine."""
    found = getattr(os, "sched_getaffinity", None)
    return len(found(0)) if found is not None else os.cpu_count() or 1


def _cache_blocks(model: OpenVinoModel, settings: Settings) -> int:
    """Size of the key/value cache, in blocks. Raises NotEnoughMemoryError where there is no room for it."""
    precision = _cache_precision(settings)
    token_bytes = model.kv_numbers_per_token * CACHE_NUMBER_BYTES[precision]
    _total, free = cpu_memory()
    least = int(token_bytes * SMALLEST_CACHE_TOKENS)
    check_fits(
        model.name,
        dtype=precision,
        place="cpu",
        needed=model.weight_bytes * WEIGHT_COPIES + PROCESS_BYTES + least,
        free=free,
    )
    wanted = max(LEAST_CACHE_BYTES, token_bytes * (model.window + 2 * BLOCK_TOKENS))
    cache = settings.kv_cache_gib * GIB or min(wanted, free * CACHE_SHARE)
    return int(max(cache, least) / token_bytes) // BLOCK_TOKENS
