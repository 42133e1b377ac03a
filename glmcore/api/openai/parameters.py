"""From the sampling parameters of a request to ours, on top of what the model recommends."""

from dataclasses import replace
from typing import Any

from glmcore.api.openai.bodies import AnswerBody
from glmcore.api.openai.offered import Offered
from glmcore.core.messages import PARAM_RANGES, GenerationParams
from glmcore.models.files.generation_files import stored_params
from glmcore.server.services import Services

MOST_TOKENS = int(PARAM_RANGES["max_new_tokens"][1])  # the engine takes what the window leaves of them
SEEDS = int(PARAM_RANGES["seed"][1]) + 1
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "stop")


def defaults_of(shared: Services, offered: Offered) -> GenerationParams:
    """What the model recommends; by its files where it is not in memory, so that nothing waits for it."""
    engine = shared.models.ready_engine(offered.entry.name, offered.engine)
    return engine.default_params if engine is not None else stored_params(offered.entry) or GenerationParams()


def params_of(body: AnswerBody, defaults: GenerationParams, max_new_tokens: int) -> GenerationParams:
    given: dict[str, Any] = {name: value for name in SAMPLING if (value := getattr(body, name)) is not None}
    if "stop" in given:
        given["stop"] = body.stop_texts
    if "top_k" in given:
        given["top_k"] = max(0, given["top_k"])
    return _seeded(replace(defaults, max_new_tokens=max_new_tokens, **given), body.seed)


def choices_of(body: AnswerBody, params: GenerationParams) -> list[GenerationParams]:
    """The parameters of each of the `n` answers; with one seed they would all say the same."""
    first = params.seed
    seeds = [None if first is None else first + number for number in range(body.n or 1)]
    return [_seeded(params, seed) for seed in seeds]


def _seeded(params: GenerationParams, seed: int | None) -> GenerationParams:
    """With a seed of OpenAI's range, which is wider than ours."""
    return params if seed is None else replace(params, seed=seed % SEEDS)
