"""What a number of a stored format takes in memory."""

import pytest
import torch

from glmcore.models.files.number_formats import FLOATS, NUMBER_BYTES, TORCH_NAMES, loaded_number_bytes

STORED = {"float32": 2, "float16": 2, "int32": 4, "F8_E4M3": 1}


@pytest.mark.parametrize("name", NUMBER_BYTES)
def test_bytes_are_torchs(name):
    dtype = getattr(torch, name)
    assert (NUMBER_BYTES[name], name in FLOATS) == (dtype.itemsize, dtype.is_floating_point)
    assert name in TORCH_NAMES.values()


@pytest.mark.parametrize(
    ("stored", "expected"), [("float32", 2), ("float16", 2), ("int32", 4), ("F8_E4M3", 1)]
)
def test_floats_become_what_is_asked_for_and_others_stay(stored, expected):
    assert loaded_number_bytes(stored, "bfloat16") == expected
