"""One answer at a time, first come first served, with `model.generate`.

For what continuous batching cannot do: models spread over several devices, repetition penalty, a seed, the
probabilities of tokens. A worker that dies fails the request that it was at, and a new one takes its place.
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
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer

from glmcore.chat.mending import Mender, stopped
from glmcore.chat.sampling import RawScores, SeededChoice
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.models import LoadedModel

log = logging.getLogger(__name__)

STOP_TIMEOUT_SECONDS = 10.0


class _Job(BaseStreamer, StoppingCriteria):
    """One request on its way through `generate`: receives its tokens, and stops it when cancelled."""

    def __init__(
        self,
        number: int,
        stream: TokenStream,
        prompt_ids: Sequence[int],
        params: GenerationParams,
        logprobs: int | None,
    ) -> None:
        self.number, self.stream, self.prompt_ids, self.params = number, stream, prompt_ids, params
        self.raw_scores = None if logprobs is None else RawScores(logprobs)
        self.is_cancelled = False
        self.last_token: int | None = None
        self._prompt_came = False

    def put(self, value: torch.Tensor) -> None:
        if not self._prompt_came:  # generate streams the prompt first
            self._prompt_came = True
            return
        token_ids = value.flatten().tolist()
        self.last_token = token_ids[-1]
        scores = () if self.raw_scores is None else [self.raw_scores.of(token_id) for token_id in token_ids]
        self.stream.put(token_ids, scores)

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
        self._current: _Job | None = None  # what the worker is at; longer than it is among the jobs
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_closed = False
        self._has_worker = False
        self._mender = Mender(self._start_worker, "generate-queue")
        self._start_worker()
        atexit.register(self.close)  # a thread that is killed inside torch takes the process down

    def start(
        self,
        stream: TokenStream,
        prompt_ids: Sequence[int],
        params: GenerationParams,
        logprobs: int | None = None,
    ) -> None:
        """Queue a request. Raises EngineError when this was closed."""
        job = _Job(next(self._numbers), stream, prompt_ids, params, logprobs)
        stream.attach(cancel=lambda: self._cancel(job), requests_ahead=lambda: self._jobs_before(job))
        with self._changed:
            if self._is_closed:
                raise EngineError("{model} was unloaded; ask again.", model=self._loaded.name)
            self._jobs.append(job)
            self._changed.notify_all()
        self._mender.hurry()

    def num_running(self) -> int:
        with self._changed:
            return len(self._jobs)

    def trouble(self) -> GlmcoreError | None:
        """Why no request could be served just now; None where one could."""
        return self._mender.trouble()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            for job in self._jobs:
                job.is_cancelled = True
                job.stream.finish(StopReason.CANCELLED)
            self._changed.notify_all()
        self._mender.close()
        self._thread.join(STOP_TIMEOUT_SECONDS)
        if not self._thread.is_alive():
            self._jobs.clear()
        atexit.unregister(self.close)

    def _cancel(self, job: _Job) -> None:
        with self._changed:
            job.is_cancelled = True
            if job in self._jobs[1:]:
                self._jobs.remove(job)

    def _jobs_before(self, job: _Job) -> int:
        with self._changed:
            return sum(1 for other in self._jobs if other.number < job.number)

    def _start_worker(self) -> None:
        with self._changed:
            if self._has_worker or self._is_closed:
                return
            self._thread = threading.Thread(target=self._live, name="generate-queue", daemon=True)
            self._thread.start()
            self._has_worker = True

    # The worker's thread.

    def _live(self) -> None:
        try:
            self._work()
        except BaseException as fault:
            log.exception("the worker of the queue died")
            with self._changed:
                job, self._current = self._current, None
                if job in self._jobs:
                    self._jobs.remove(job)
                self._has_worker = False
            error = stopped(fault)
            if job is not None:
                job.stream.fail(error)
            self._mender.notice(error)

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
            self._current = None

    def _next_job(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closed)
            if self._is_closed:
                return None
            self._current = self._jobs[0]
            return self._current

    def _generate(self, job: _Job) -> None:
        loaded, params = self._loaded, job.params
        input_ids = torch.tensor([job.prompt_ids], device=loaded.model.device)
        config = GenerationConfig(  # what is left open is taken from the model's own
            max_new_tokens=params.max_new_tokens,
            do_sample=False,  # sampling, where wanted, is done by SeededChoice
            temperature=1.0,
            top_k=50,  # without sampling this and the others are the neutral values
            top_p=1.0,
            num_beams=1,
            num_return_sequences=1,
            repetition_penalty=1.0,  # done by a processor of its own, after the scores were seen
            eos_token_id=list(loaded.eos_token_ids) or None,
            pad_token_id=loaded.eos_token_ids[0] if loaded.eos_token_ids else 0,
        )
        with torch.inference_mode():
            loaded.model.generate(
                input_ids,
                attention_mask=torch.ones_like(input_ids),
                generation_config=config,
                logits_processor=_processors(job, input_ids.device),
                stopping_criteria=StoppingCriteriaList([job]),
                streamer=job,
            )

    def _reason(self, job: _Job) -> StopReason:
        if job.is_cancelled:
            return StopReason.CANCELLED
        return StopReason.END if job.last_token in self._loaded.eos_token_ids else StopReason.LENGTH


def _processors(job: _Job, device: torch.device) -> LogitsProcessorList:
    """What sees and changes the scores of a step, in this order."""
    params = job.params
    processors: list[LogitsProcessor] = [] if job.raw_scores is None else [job.raw_scores]
    if params.repetition_penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    if not params.is_greedy:
        processors.append(SeededChoice(params, device))
    return LogitsProcessorList(processors)
