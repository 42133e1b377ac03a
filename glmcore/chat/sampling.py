"""How the next token is chosen, and how likely each was before that.

Temperature, top-k and top-p of many requests are applied at once, in one pass over the likely tokens:
transformers' own per-request processors sort the whole vocabulary twice in every step, which on a
CPU costs a fifth of a small model's step (docs/decisions.md). Only the `top_k` best candidates of a
row can ever be chosen, so this one takes those first and looks at nothing else. It also draws among them,
as drawing from the whole vocabulary costs nearly as much again.

Shapes: N requests in the step, V vocabulary, C candidates.
"""

from typing import ClassVar, TypedDict

import torch
from transformers import LogitsProcessor
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor
from transformers.generation.continuous_batching.requests import FutureRequestState

from glmcore.chat.token_stream import TokenScore
from glmcore.core.messages import GenerationParams

TOP_K_OFF = 2**31 - 1
LOWEST_TEMPERATURE = 1e-4  # as good as greedy; logits divided by much less overflow


class Limits(TypedDict):
    """What restricts the choice of one request's next token."""

    temperature: float
    top_k: int
    top_p: float


def limits_of(params: GenerationParams) -> Limits:
    """The parameters as plain numbers for every row: greedy is a choice of one."""
    if params.is_greedy:
        return Limits(temperature=1.0, top_k=1, top_p=1.0)
    temperature = max(float(params.temperature), LOWEST_TEMPERATURE)
    return Limits(temperature=temperature, top_k=params.top_k or TOP_K_OFF, top_p=float(params.top_p))


class CandidateSampling(ContinuousBatchingLogitsProcessor):
    """Logits processor of continuous batching for `temperature`, `top_k` and `top_p`, each per request.

    Exact: the result is what temperature, top-k and top-p one after the other give. For the synchronous
    loop only: a step is prepared and computed by one thread, so the arguments wait here in between.
    """

    supported_kwargs: ClassVar[dict[str, type]] = {"temperature": float, "top_k": int, "top_p": float}
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self, device: torch.device) -> None:
        self._wanted: list[Limits] = []
        self._generator = torch.Generator(device)
        self._generator.seed()

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[FutureRequestState]) -> torch.Tensor:
        """Keep the arguments for the call that follows; the tensor the base class wants is unused."""
        self._wanted = [request.state.logit_processor_kwargs for request in requests_with_new_token]
        return torch.zeros(len(self._wanted), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Choose a token for each request of the step and leave only that one.

        The last rows may be for prompts that are only read so far: nothing is asked for them, and what is
        taken there is thrown away.
        """
        if num_asked := len(self._wanted):
            keep_only(scores[:num_asked], choose(scores[:num_asked], self._wanted, self._generator))
        return scores


class SeededChoice(LogitsProcessor):
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
        return keep_only(scores, choose(scores.float(), [self._limits], self._generator))


class RawScores(LogitsProcessor):
    """Keeps how likely every token was in the last step, before anything limits the choice."""

    def __init__(self, num_alternatives: int) -> None:
        self._num_alternatives = num_alternatives
        self._logprobs_V = torch.empty(0)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._logprobs_V = scores[0].float().log_softmax(dim=-1)
        return scores

    def of(self, token_id: int) -> TokenScore:
        best = self._logprobs_V.topk(min(self._num_alternatives, len(self._logprobs_V)))
        alternatives = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return TokenScore(self._logprobs_V[token_id].item(), tuple(alternatives))


def keep_only(scores_NV: torch.Tensor, chosen_N1: torch.Tensor) -> torch.Tensor:
    """Change the scores to 0 at the chosen tokens and -inf elsewhere."""
    return scores_NV.fill_(-torch.inf).scatter_(-1, chosen_N1, 0.0)


def choose(scores_NV: torch.Tensor, wanted_N: list[Limits], generator: torch.Generator) -> torch.Tensor:
    """Draw a token for each row of logits; gives their ids (N, 1)."""
    if all(limits["top_k"] == 1 for limits in wanted_N):
        return scores_NV.argmax(dim=-1, keepdim=True)
    logits_NC, token_ids_NC = candidates(scores_NV, wanted_N)
    drawn_N1 = torch.multinomial(logits_NC.softmax(dim=-1), 1, generator=generator)
    return token_ids_NC.gather(-1, drawn_N1)


def candidates(scores_NV: torch.Tensor, wanted_N: list[Limits]) -> tuple[torch.Tensor, torch.Tensor]:
    """Apply temperature, then top-k, then top-p to logits.

    The tokens kept are the smallest set of the `top_k` most likely ones whose probability reaches
    `top_p` (Holtzman et al. 2019, arXiv:1904.09751), always at least one.

    Returns:
        Logits (N, C), -inf where a token must not be chosen, and the ids of their tokens (N, C).
    """
    device, vocabulary = scores_NV.device, scores_NV.size(-1)
    temperatures_N1 = torch.tensor([[limits["temperature"]] for limits in wanted_N], device=device)
    if all(limits["top_k"] >= vocabulary and limits["top_p"] >= 1 for limits in wanted_N):
        return scores_NV / temperatures_N1, torch.arange(vocabulary, device=device).expand_as(scores_NV)
    num_candidates = min(max(limits["top_k"] for limits in wanted_N), vocabulary)
    top_ks_N1 = torch.tensor([[limits["top_k"]] for limits in wanted_N], device=device)
    # Rounding may let a sum of probabilities reach 1 before its last term.
    top_ps_N1 = torch.tensor(
        [[limits["top_p"] if limits["top_p"] < 1 else torch.inf] for limits in wanted_N], device=device
    )
    logits_NC, token_ids_NC = torch.topk(scores_NV, num_candidates, dim=-1)  # best first
    logits_NC = logits_NC / temperatures_N1
    rank_C = torch.arange(num_candidates, device=device)
    logits_NC.masked_fill_(rank_C >= top_ks_N1, -torch.inf)
    probabilities_NC = logits_NC.softmax(dim=-1)
    mass_before_NC = probabilities_NC.cumsum(dim=-1) - probabilities_NC
    logits_NC.masked_fill_((mass_before_NC >= top_ps_N1) & (rank_C > 0), -torch.inf)
    return logits_NC, token_ids_NC
