"""One pass over the candidates gives what temperature, top-k and top-p give one after the other."""

import random

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from glmcore.chat.sampling import CandidateSampling, Limits, candidates, choose, limits_of
from glmcore.core.messages import GenerationParams


def restricted(scores, wanted):
    """All tokens again, -inf where one must not be chosen."""
    logits, token_ids = candidates(scores, wanted)
    return torch.full_like(scores, -torch.inf).scatter_(-1, token_ids, logits)


def one_after_the_other(scores, limits: Limits):
    """transformers' own warpers on one row."""
    scores = TemperatureLogitsWarper(limits["temperature"])(None, scores)
    if limits["top_k"] < scores.size(-1):
        scores = TopKLogitsWarper(limits["top_k"])(None, scores)
    if limits["top_p"] < 1:
        scores = TopPLogitsWarper(limits["top_p"])(None, scores)
    return scores


def random_params(rng):
    return GenerationParams(
        temperature=rng.choice([0, 0.1, 0.7, 1, 2.0]),
        top_k=rng.choice([0, 1, 2, 20, 50, 1000]),
        top_p=rng.choice([0, 0.1, 0.5, 0.9, 0.99, 1]),
    )


@pytest.mark.parametrize("vocabulary", [5, 300, 5000])
def test_rows_are_restricted_as_transformers_does(vocabulary):
    rng = random.Random(vocabulary)
    torch.manual_seed(vocabulary)
    for _ in range(40):
        wanted = [limits_of(random_params(rng)) for _ in range(rng.randint(1, 6))]
        scores = torch.randn(len(wanted), vocabulary) * rng.choice([0.1, 3, 20])
        expected = torch.cat(
            [one_after_the_other(row[None], limits) for row, limits in zip(scores, wanted, strict=True)]
        )
        found = restricted(scores, wanted)
        assert torch.equal(found.isinf(), expected.isinf())
        torch.testing.assert_close(found.softmax(-1), expected.softmax(-1))


def test_everything_off_leaves_every_token():
    scores = torch.randn(2, 100)
    off = limits_of(GenerationParams(temperature=1, top_k=0, top_p=1))
    assert torch.equal(restricted(scores, [off, off]), scores)
    assert torch.equal(restricted(scores, [off, limits_of(GenerationParams(top_k=1))])[0], scores[0])


def test_top_p_of_one_keeps_tokens_that_rounding_would_lose():
    scores = torch.linspace(20, -20, 5000)[None]
    limits = limits_of(GenerationParams(temperature=1, top_k=1000, top_p=1))
    assert int(restricted(scores, [limits]).isfinite().sum()) == 1000


@pytest.mark.parametrize("params", [{"temperature": 0}, {"top_k": 1}, {"temperature": 1e-40, "top_k": 0}])
def test_greedy_leaves_the_best_token(params):
    scores = torch.tensor([[1.0, 30.0, 29.9]])
    chances = restricted(scores, [limits_of(GenerationParams(**params))]).softmax(-1)
    assert chances.tolist() == [[0.0, 1.0, 0.0]]


class Asking:
    """A request in a step, as far as the processor looks at it."""

    def __init__(self, params):
        self.state = self
        self.logit_processor_kwargs = limits_of(params)


def test_rows_of_prompts_that_are_only_read_so_far_are_left_alone():
    sampling = CandidateSampling(torch.device("cpu"))
    scores = torch.randn(3, 10)
    assert sampling.prepare_tensor_args([]).shape == (0,)
    assert torch.equal(sampling(scores.clone(), torch.zeros(3)), scores)
    sampling.prepare_tensor_args([Asking(GenerationParams(top_k=1))])
    found = sampling(scores.clone(), torch.zeros(3))
    assert found[0].isfinite().sum() == 1
    assert torch.equal(found[1:], scores[1:])


def test_tokens_are_drawn_as_often_as_they_are_likely():
    scores = torch.log(torch.tensor([0.5, 0.25, 0.15, 0.1])).repeat(6000, 1)
    limits = limits_of(GenerationParams(temperature=1, top_k=3, top_p=0.74))
    draws = choose(scores, [limits] * 6000, torch.Generator().manual_seed(0))
    counts = torch.bincount(draws.flatten(), minlength=4) / 6000
    torch.testing.assert_close(counts, torch.tensor([2 / 3, 1 / 3, 0.0, 0.0]), atol=0.02, rtol=0)


def test_the_best_token_is_taken_where_all_are_greedy():
    scores = torch.tensor([[1.0, 30.0, 29.9], [7.0, 1.0, 2.0]])
    greedy = limits_of(GenerationParams(temperature=0))
    assert choose(scores, [greedy, greedy], torch.Generator()).tolist() == [[1], [0]]
