"""The manager of transformers' continuous batching as it is used here: settings, scheduler, sampling."""

import logging
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation import ContinuousBatchingConfig
from transformers.generation.continuous_batching.requests import (
    FutureRequestState,
    RequestState,
    RequestStatus,
)
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler
from transformers.generation.logits_process import LogitsProcessorList

from glmcore.chat.sampling import CandidateSampling
from glmcore.models.native.sharing import on_same_weights

# It has a handler of its own and warns of what is no fault: a token too many, a manager that was not started.
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)

PAGE_TOKENS = 32  # a shared prefix is reused in pages of this size; smaller ones cost bookkeeping
SCHEDULER = "cancel_aware"


class CancelAwareScheduler(FIFOScheduler):
    """Gives the room of a cancelled request to those that wait, at the latest in the step after the next.

    The original lets nobody in while little of the cache is free, and once the cache was full not before a
    request has finished: after a cancel those that wait would do so much longer, and without end where it
    was the last one that ran. It also keeps the prefixes of ended requests while others wait for their room.
    """

    _has_new_room = False

    def clear_cancelled_requests(self) -> list[RequestState]:
        cancelled: list[RequestState] = super().clear_cancelled_requests()
        self._has_new_room = any(state.status != RequestStatus.PENDING for state in cancelled)
        if self._has_new_room:
            self.block_new_requests = False
        return cancelled

    def schedule_batch(
        self, token_budget: int, cache_budget: int
    ) -> tuple[list[FutureRequestState] | None, bool, int, int]:
        batch, is_decode, num_tokens, num_read = super().schedule_batch(token_budget, cache_budget)
        if self.waiting_requests and not self.block_new_requests and num_tokens < token_budget:
            self.cache.evict_cached_blocks()  # who waits did not fit; perhaps the next time
        return batch, is_decode, num_tokens, num_read

    def _try_to_meet_safety_margin(self) -> bool:
        return bool(super()._try_to_meet_safety_margin()) or self._has_new_room


SCHEDULER_MAPPING[SCHEDULER] = CancelAwareScheduler


def build_manager(model: Any, cache_tokens: int, max_batch_tokens: int) -> Any:
    config = ContinuousBatchingConfig(
        num_blocks=max(cache_tokens // PAGE_TOKENS, 1),
        page_size=PAGE_TOKENS,
        max_batch_tokens=max_batch_tokens,
        scheduler_type=SCHEDULER,
        use_async_batching=False,  # `CandidateSampling` needs the steps one after the other
        use_cuda_graph=False,
        auto_switch_to_flash=False,  # would fetch a kernel from the model hub
    )
    # On a copy: while a batch is computed transformers sets `is_causal` in the config to False. A `generate`
    # in another thread would look into the future meanwhile, and forever if it restores the value last.
    manager = on_same_weights(model).init_continuous_batching(
        generation_config=GenerationConfig(do_sample=False, eos_token_id=-1),
        continuous_batching_config=config,
    )
    # Its own `no_grad` lets torch keep books of every tensor: 9 % of a small model's step on a CPU.
    manager._generation_step = torch.inference_mode()(manager._generation_step)
    processors = manager.logit_processor
    processors.logits_processor = LogitsProcessorList([CandidateSampling(model.device)])
    processors.tensors_required = 1
    processors.do_processing = True
    processors._retrieve_processors_kwargs()
    return manager
