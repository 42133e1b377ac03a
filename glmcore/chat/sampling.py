"""Temperature, top-k and top-p of many requests at once, in one pass over the likely tokens.

transformers' own per-request processors sort the whole vocabulary twice in every step, which on a
CPU costs a fifth of a small model's step (docs/decisions.md). Only the `top_k` best candidates of a
row can ever be chosen, so this one takes those first and looks at nothing else.

Shapes: N requests in the step, V vocabulary, C candidates.
"""

import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor
from transformers.generation.continuous_batching.requests import FutureRequestState


class CandidateSampling(ContinuousBatchingLogitsProcessor):
    """Logits processor of continuous batching for `temperature`, `top_k` and `top_p`, each per request.

    Exact: the result is what temperature, top-k and top-p one after the other give. A `top_k` of the
    vocabulary's size turns top-k off; 1 is greedy. For the CPU's synchronous loop only: a step is
    prepared and computed by one thread, so the arguments wait here in between.
    """

    supported_kwargs: dict[str, type] = {"temperature": float, "top_k": int, "top_p": float}
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._temperatures_N = self._top_ps_N = torch.ones(0)
        self._top_ks_N = torch.ones(0, dtype=torch.int64)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[FutureRequestState]) -> torch.Tensor:
        """Keep the arguments (N,) for the call that follows; the tensor the base class wants is unused."""
        wanted = [request.state.logit_processor_kwargs for request in requests_with_new_token]
        self._temperatures_N = torch.tensor([kwargs["temperature"] for kwargs in wanted])
        self._top_ks_N = torch.tensor([kwargs["top_k"] for kwargs in wanted])
        self._top_ps_N = torch.tensor([kwargs["top_p"] for kwargs in wanted])
        return torch.zeros(len(wanted), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """scores (N, V) float32 -> the same shape, -inf where a token must not be chosen."""
        return restrict_to_candidates(scores, self._temperatures_N, self._top_ks_N, self._top_ps_N)


def restrict_to_candidates(
    scores_NV: torch.Tensor, temperatures_N: torch.Tensor, top_ks_N: torch.Tensor, top_ps_N: torch.Tensor
) -> torch.Tensor:
    """Apply temperature, then top-k, then top-p to logits.

    The tokens kept are the smallest set of the `top_k` most likely ones whose probability reaches
    `top_p` (Holtzman et al. 2019, arXiv:1904.09751), always at least one.

    Returns:
        Logits (N, V), -inf where a token must not be chosen.
    """
    vocabulary = scores_NV.size(-1)
    num_candidates = min(int(top_ks_N.max()), vocabulary)
    if bool(((top_ks_N >= vocabulary) & (top_ps_N >= 1)).all()):
        return scores_NV / temperatures_N[:, None]
    logits_NC, token_ids_NC = torch.topk(scores_NV, num_candidates, dim=-1)  # best first
    logits_NC = logits_NC / temperatures_N[:, None]
    rank_C = torch.arange(num_candidates, device=scores_NV.device)
    logits_NC.masked_fill_(rank_C >= top_ks_N[:, None], -torch.inf)
    probabilities_NC = logits_NC.softmax(dim=-1)
    mass_before_NC = probabilities_NC.cumsum(dim=-1) - probabilities_NC
    logits_NC.masked_fill_((mass_before_NC >= top_ps_N[:, None]) & (rank_C > 0), -torch.inf)
    return torch.full_like(scores_NV, -torch.inf).scatter_(-1, token_ids_NC, logits_NC)
