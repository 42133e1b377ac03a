"""Answers to many prompts at once, for evaluation, prediction and the forgetting probe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from glmcore.models.loaded import LoadedModel
from glmcore.tuning.job_config.fields import JobConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """How answers are generated: greedily, unless a temperature is set."""

    max_new_tokens: int
    ends: tuple[int, ...]
    pad_id: int
    num_beams: int = 1
    temperature: float = 0.0
    top_p: float = 1.0

    @property
    def description(self) -> str:
        """In a few words, for results that others compare."""
        beams = f", {self.num_beams} beams" if self.num_beams > 1 else ""
        if self.temperature:
            return f"temperature {self.temperature:g}, top_p {self.top_p:g}{beams}"
        return f"greedy{beams}"

    def to_generation_config(self) -> GenerationConfig:
        config = GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            num_beams=self.num_beams,
            do_sample=self.temperature > 0,
            eos_token_id=list(self.ends),
            pad_token_id=self.pad_id,
        )
        if self.temperature > 0:
            config.temperature, config.top_p, config.top_k = self.temperature, self.top_p, 0
        return config


def answer_settings(loaded: LoadedModel, job: JobConfig) -> AnswerSettings:
    """What a job says about answers, for its model."""
    evaluation = job.evaluation
    return AnswerSettings(
        max_new_tokens=evaluation.max_new_tokens or job.data.max_output_length,
        ends=loaded.eos_token_ids,
        pad_id=pad_id_of(loaded),
        num_beams=evaluation.num_beams,
        temperature=evaluation.temperature,
        top_p=evaluation.top_p,
    )


def pad_id_of(loaded: LoadedModel) -> int:
    """A token for the places that are masked out."""
    pad_id = loaded.tokenizer.pad_token_id
    return loaded.eos_token_ids[0] if pad_id is None else int(pad_id)


def generate_answers(
    model: Any, prompt_ids: Tensor, prompt_mask: Tensor, settings: AnswerSettings, **options: Any
) -> Tensor:
    """The ids after the prompts (B, at most max_new_tokens), padded where an answer ended before others.

    Args:
        prompt_ids: (B, P), padded on the left; prompt_mask the same, 0 at the padding.
        options: of transformers' `generate`.
    """
    with torch.inference_mode():
        ids = model.generate(
            input_ids=prompt_ids.to(model.device),
            attention_mask=prompt_mask.to(model.device),
            generation_config=settings.to_generation_config(),
            **options,
        )
    return ids[:, prompt_ids.shape[1] :]


def cut_at_end(ids: Sequence[int], ends: Sequence[int]) -> list[int]:
    """The ids of an answer, without what ends it and all after that."""
    stop = next((index for index, token in enumerate(ids) if token in ends or token < 0), len(ids))
    return list(ids[:stop])


def text_of(loaded: LoadedModel, ids: Sequence[int]) -> str:
    """An answer as the chat would show it."""
    return loaded.clean_answer(loaded.decode(cut_at_end(ids, loaded.eos_token_ids)))
