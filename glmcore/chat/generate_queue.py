"""One answer at a time, first come first served, with `model.generate`.

For what continuous batching cannot do: models spread over several devices, repetition penalty, a seed.
"""

import atexit
import itertools
import logging
import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer

from glmcore.chat.sampling import limits_of, restrict_to_candidates
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.models import LoadedModel

log = logging.getLogger(__name__)

STOP_TIMEOUT_SECONDS = 10.0


class _SeededChoice(LogitsProcessor):
    """Samples with a generator of its own and leaves only the chosen token.

    torch's global generator is shared with every other running answer, so a seed set there would
    not make an answer repeatable.
    """

    def __init__(self, params: GenerationParams, device: torch.device) -> None:
        self._limits = limits_of(params)
        self._generator = torch.Generator(device)
        if params.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(params.seed)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """scores (1, V) -> 0 at the chosen token, -inf elsewhere."""
        probabilities = restrict_to_candidates(scores.float(), [self._limits]).softmax(dim=-1)
        chosen = torch.multinomial(probabilities, 1, generator=self._generator)
        return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)


class _Job(BaseStreamer, StoppingCriteria):
    """One request on its way through `generate`: receives its tokens, and stops it when cancelled."""

    def __init__(
        self, number: int, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams
    ) -> None:
        self.number, self.stream, self.prompt_ids, self.params = number, stream, prompt_ids, params
        self.is_cancelled = False
        self.last_token: int | None = None
        self._prompt_came = False

    def put(self, value: torch.Tensor) -> None:
        if not self._prompt_came:  # generate streams the prompt first
            self._prompt_came = True
            return
        token_ids = value.flatten().tolist()
        self.last_token = token_ids[-1]
        self.stream.put(token_ids)

    def end(self) -> None:
        """The worker finishes the stream itself, knowing why the generation ended."""

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any
    ) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self.is_cancelled, dtype=torch.bool, device=input_ids.device)


class GenerateQueue:
    """A fair queue in front of `model.generate` with one worker thread."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._jobs: list[_Job] = []  # the first one is running, and only the worker takes it away
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="generate-queue", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a thread that is killed inside torch takes the process down

    def start(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Queue a request. Raises EngineError when this was closed."""
        job = _Job(next(self._numbers), stream, prompt_ids, params)
        stream.attach(cancel=lambda: self._cancel(job), requests_ahead=lambda: self._jobs_before(job))
        with self._changed:
            if self._is_closed:
                raise EngineError("{model} was unloaded; ask again.", model=self._loaded.name)
            self._jobs.append(job)
            self._changed.notify_all()

    def num_running(self) -> int:
        with self._changed:
            return len(self._jobs)

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            for job in self._jobs:
                job.is_cancelled = True
                job.stream.finish(StopReason.CANCELLED)
            self._changed.notify_all()
        self._thread.join(STOP_TIMEOUT_SECONDS)
        atexit.unregister(self.close)

    def _cancel(self, job: _Job) -> None:
        with self._changed:
            job.is_cancelled = True
            if job in self._jobs[1:]:
                self._jobs.remove(job)

    def _jobs_before(self, job: _Job) -> int:
        with self._changed:
            return sum(1 for other in self._jobs if other.number < job.number)

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            fault: Exception | None = None
            try:
                if not job.is_cancelled:
                    self._generate(job)
            except Exception as error:
                log.exception("generate failed")
                fault = error
            with self._changed:
                self._jobs.remove(job)
            if fault is not None:
                job.stream.fail(fault)
            else:
                job.stream.finish(self._reason(job))

    def _next_job(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closed)
            if self._is_closed:
                self._jobs.clear()
                return None
            return self._jobs[0]

    def _generate(self, job: _Job) -> None:
        loaded, params = self._loaded, job.params
        input_ids = torch.tensor([job.prompt_ids], device=loaded.model.device)
        config = GenerationConfig(  # what is left open is taken from the model's own
            max_new_tokens=params.max_new_tokens,
            do_sample=False,  # sampling, where wanted, is done by _SeededChoice
            temperature=1.0,
            top_k=50,  # without sampling this and the others are the neutral values
            top_p=1.0,
            num_beams=1,
            num_return_sequences=1,
            repetition_penalty=params.repetition_penalty,
            eos_token_id=list(loaded.eos_token_ids) or None,
            pad_token_id=loaded.eos_token_ids[0] if loaded.eos_token_ids else 0,
        )
        processors = [] if params.is_greedy else [_SeededChoice(params, input_ids.device)]
        with torch.inference_mode():
            loaded.model.generate(
                input_ids,
                attention_mask=torch.ones_like(input_ids),
                generation_config=config,
                logits_processor=LogitsProcessorList(processors),
                stopping_criteria=StoppingCriteriaList([job]),
                streamer=job,
            )

    def _reason(self, job: _Job) -> StopReason:
        if job.is_cancelled:
            return StopReason.CANCELLED
        return StopReason.END if job.last_token in self._loaded.eos_token_ids else StopReason.LENGTH
