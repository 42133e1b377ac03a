"""The sampling that a model recommends is known before it is loaded."""

import json

import pytest

from glmcore.core.messages import GenerationParams
from glmcore.models import list_models, load_model, stored_params
from glmcore.models.sources import entry_of


def test_what_is_stored_is_what_the_loaded_model_says(tiny_model_dir):
    entry = entry_of(tiny_model_dir, "tiny")
    loaded = load_model(tiny_model_dir).default_params
    stored = stored_params(entry)
    assert (stored.temperature, stored.top_p, stored.top_k) == (
        loaded.temperature,
        loaded.top_p,
        loaded.top_k,
    )


def test_the_embedded_models_are_known_before_it_is_fetched(settings):
    embedded = list_models(settings)[0]
    assert stored_params(embedded).temperature == 0.2


@pytest.mark.parametrize("content", ["", "[]", "{broken", None])
def test_files_that_do_not_say_are_no_fault(tmp_path, content):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    if content is not None:
        (folder / "generation_config.json").write_text(content)
    assert stored_params(entry_of(folder, "model")) is None


def test_values_out_of_range_are_clipped(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "generation_config.json").write_text(json.dumps({"temperature": 99, "top_p": 0.5}))
    assert stored_params(entry_of(folder, "model")) == GenerationParams(temperature=2.0, top_p=0.5, top_k=50)
