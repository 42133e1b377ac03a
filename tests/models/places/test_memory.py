"""Memory known before loading."""

import pytest

from glmcore.core.errors import NotEnoughMemoryError
from glmcore.models.places.devices import GIB
from glmcore.models.places.memory import check_fits, kv_bytes_per_token, needed_bytes

GLM = {"num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (GLM, 2 * 40 * 2 * 128 * 2),
        ({"text_config": GLM}, 2 * 40 * 2 * 128 * 2),
        ({"n_layer": 12, "n_head": 12, "n_embd": 768}, 2 * 12 * 768 * 2),
        ({"model_type": "mamba"}, 0),
    ],
)
def test_cache_of_one_token(config, expected):
    assert kv_bytes_per_token(config, "bfloat16") == expected


def test_float32_takes_twice_the_cache():
    assert kv_bytes_per_token(GLM, "float32") == 2 * kv_bytes_per_token(GLM, "float16")


def test_model_that_just_fits_is_let_through():
    assert check_fits("glm", dtype="float16", place="cpu", needed=GIB, free=GIB) is None


def test_refusal_has_both_numbers():
    with pytest.raises(
        NotEnoughMemoryError, match=r"glm needs 12\.4 GiB as float16, but cuda:0 has 9\.8 GiB free"
    ):
        check_fits("glm", dtype="float16", place="cuda:0", needed=int(12.4 * GIB), free=int(9.8 * GIB))


def test_weights_come_with_a_small_cache():
    assert needed_bytes(1000, 2) == 1000 + 2 * 1024
