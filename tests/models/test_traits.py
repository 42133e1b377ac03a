"""What configs say about use, also where they say little or nonsense."""

from types import SimpleNamespace

import pytest

from glmcore.core.messages import GenerationParams
from glmcore.models.traits import default_params, eos_token_ids, window_of


def generation_config(**values):
    from transformers import GenerationConfig

    return GenerationConfig(**values)


def window(max_position_embeddings, model_max_length):
    text = SimpleNamespace(max_position_embeddings=max_position_embeddings)
    config = SimpleNamespace(get_text_config=lambda: text)
    return window_of(config, SimpleNamespace(model_max_length=model_max_length))


@pytest.mark.parametrize(
    ("positions", "tokenizer", "expected"),
    [(8192, 10**30, 8192), (8192, 4096, 4096), (None, 4096, 4096), (None, 10**30, 2048), (0, -1, 2048)],
)
def test_window_is_the_smallest_sane_limit(positions, tokenizer, expected):
    assert window(positions, tokenizer) == expected


@pytest.mark.parametrize(("named", "expected"), [(5, (5, 7)), ([7, 8], (7, 8)), (None, (7,))])
def test_end_tokens_come_from_both_places_once(named, expected):
    assert eos_token_ids(generation_config(eos_token_id=named), SimpleNamespace(eos_token_id=7)) == expected


def test_silent_generation_config_gives_our_defaults():
    assert default_params(generation_config(), 8192) == GenerationParams()


def test_what_the_model_names_is_taken_and_the_rest_is_neutral():
    params = default_params(generation_config(do_sample=True, top_p=0.8, repetition_penalty=1.1), 8192)
    assert (params.temperature, params.top_p, params.top_k, params.repetition_penalty) == (1.0, 0.8, 50, 1.1)


def test_model_that_wants_to_be_greedy_is():
    assert default_params(generation_config(do_sample=False), 8192).is_greedy


def test_values_out_of_range_are_clipped():
    params = default_params(generation_config(temperature=9.0, top_k=10**6, max_new_tokens=10**6), 10**6)
    assert (params.temperature, params.top_k, params.max_new_tokens) == (2.0, 1000, 32768)


@pytest.mark.parametrize(("window_tokens", "expected"), [(8192, 512), (100, 50), (1, 1)])
def test_answer_leaves_half_of_a_small_window(window_tokens, expected):
    assert default_params(generation_config(), window_tokens).max_new_tokens == expected


def test_family_fills_in_what_the_folder_leaves_open():
    family = GenerationParams(temperature=0.8, top_p=0.8, max_new_tokens=1024)
    params = default_params(generation_config(temperature=0.5), 8192, family)
    assert (params.temperature, params.top_p, params.max_new_tokens) == (0.5, 0.8, 1024)
    assert default_params(generation_config(), 8192, family) == family


def test_stop_tokens_of_the_family_come_after_those_of_the_files():
    tokenizer = SimpleNamespace(
        eos_token_id=2, convert_tokens_to_ids={"<|user|>": 7, "<|observation|>": 9}.get
    )
    ends = eos_token_ids(
        generation_config(eos_token_id=[2, 7]), tokenizer, ("<|user|>", "<|observation|>", "absent")
    )
    assert ends == (2, 7, 9)
