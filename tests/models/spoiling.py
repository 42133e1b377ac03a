"""Spoiling a copy of a reference folder, and hearing what is said about it."""

import re

import pytest
import torch

from glmcore.core.errors import GlmcoreError, ModelLoadError
from glmcore.models import load_model
from glmcore.models.files.tensor_files import iter_tensors
from tests.models.reference import FAMILIES

V1, V2, V3 = FAMILIES
QUERY = {
    V1: "transformer.layers.1.attention.query_key_value.weight",
    V2: "transformer.encoder.layers.1.self_attention.query_key_value.weight",
    V3: "transformer.encoder.layers.1.self_attention.query_key_value.weight",
}
RAW = re.compile(r"(Type|Value|Key|Index|Attribute|Assertion|Runtime)Error")


def sentence_of(call, kind=ModelLoadError) -> str:
    """What a call says when it fails; a library's exception inside a sentence is not a sentence."""
    with pytest.raises(GlmcoreError) as caught:
        call()
    assert isinstance(caught.value, kind)
    said = str(caught.value)
    assert not RAW.search(said), said
    return said


def sentence_for(path, settings, kind=ModelLoadError, **options) -> str:
    """What loading a folder says."""
    return sentence_of(
        lambda: load_model(path, dtype="float32", device="cpu", settings=settings, **options), kind
    )


def change_weights(folder, change):
    """Write all weights as one file, after `change` had them; it gives others or changes those."""
    weights = {name: tensor.clone() for name, tensor in iter_tensors(folder)}
    for path in folder.glob("pytorch_model*"):
        path.unlink()
    changed = change(weights)
    torch.save(weights if changed is None else changed, folder / "pytorch_model.bin")


def without(weights, *names):
    return {name: weight for name, weight in weights.items() if name not in names}
