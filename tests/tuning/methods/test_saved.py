"""What a run leaves in its checkpoints: the learnt weights alone, which answer as the tuned model did."""

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from glmcore.core.messages import Message
from glmcore.core.settings import Settings
from glmcore.models import load_model
from glmcore.models.adapters.folders import is_adapter
from glmcore.models.adapters.manifest import read_manifest
from glmcore.models.native.convert import convert_folder
from tests.tuning.cases import slow_but
from tests.tuning.running import (
    BASES,
    METHODS,
    ORIGINALS,
    assert_same_tensors,
    base_folder,
    checkpoint,
    learnt_weights,
    read_json,
    run,
    watched_tuning,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ADAPTERS = [method for method in METHODS if method != "full"]
PREFIXES = ["prefix", "projected"]
QUICK = [
    *(("chatglm", method) for method in ADAPTERS),
    ("chatglm3", "prefix"),
    ("chatglm3", "projected"),
    ("glm", "lora"),
    ("llama", "lora"),
    ("llama", "prefix"),
]
CONVERSATION = [Message("system", "Be kind."), Message("user", "你好, what is it?")]
LEARNT = ("lora_", "prefix_encoder.", "prompt_encoder.")  # in the names of what learns
PEFT_PREFIX = ("prompt_embeddings", "embedding.", "transform.")  # in the files of PEFT's prefixes


@dataclass
class Tuned:
    """A finished run of two steps; `logits` are of its model in memory."""

    base: str
    tuned: Any
    folder: Path

    @property
    def checkpoint(self) -> Path:
        return checkpoint(self.folder, 2)

    @property
    def logits(self):
        return logits_of(self.tuned.loaded, self.tuned.model)


@torch.no_grad()
def logits_of(loaded, model=None):
    model = (model or loaded.model).eval()
    ids = torch.tensor([loaded.prompt_ids(CONVERSATION)])
    return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


@pytest.fixture(scope="module")
def tuned_by(tmp_path_factory):
    """A run of a base and a method, made once."""
    runs = {}

    def tuned(base, method):
        if (base, method) not in runs:
            folder = tmp_path_factory.mktemp(f"{base}-{method}")
            with pytest.MonkeyPatch.context() as patch, watched_tuning(patch) as seen:
                run(folder, base, method, max_steps=2)
            runs[base, method] = Tuned(base, seen[0], folder)
        return runs[base, method]

    return tuned


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", allow_hub=False)


def load(folder, settings, **options):
    return load_model(folder, dtype="float32", device="cpu", settings=settings, **options)


@pytest.mark.parametrize("base, method", slow_but(QUICK, product(BASES, ADAPTERS)))
def test_an_adapter_answers_as_the_tuned_model_did(base, method, tuned_by, settings):
    made = tuned_by(base, method)
    plain = load(base_folder(base), settings)
    before = logits_of(plain)
    adapted = plain.with_adapter(made.checkpoint, settings)
    found = logits_of(adapted)
    assert torch.equal(found, made.logits)
    assert not torch.equal(found, before)
    assert torch.equal(logits_of(plain), before)


@pytest.mark.parametrize("base", slow_but(["chatglm", "chatglm3", "llama"], BASES))
def test_a_full_checkpoint_is_a_model_that_answers_as_the_tuned_one_did(base, tuned_by, settings):
    made = tuned_by(base, "full")
    plain, loaded = load(base_folder(base), settings), load(made.checkpoint, settings)
    assert not is_adapter(made.checkpoint)
    assert torch.equal(logits_of(loaded), made.logits)
    assert not torch.equal(logits_of(plain), made.logits)
    assert loaded.prompt_ids(CONVERSATION) == plain.prompt_ids(CONVERSATION)
    assert set(loaded.eos_token_ids) >= set(plain.eos_token_ids[:1])
    ids = loaded.prompt_ids(CONVERSATION)
    assert loaded.decode(ids) == plain.decode(ids)
    assert loaded.window == plain.window
    # A converted ChatGLM2 or 3 is a GLM of today, of another name; all that answers is the same.
    assert loaded.family.clean is plain.family.clean
    assert all(weight.dtype == torch.float32 for weight in learnt_weights(made.checkpoint).values())


@pytest.mark.parametrize("base", slow_but(["chatglm2"], ORIGINALS))
def test_a_full_checkpoint_of_a_converted_model_loads_too(base, tmp_path, settings):
    converted = convert_folder(base_folder(base), tmp_path / "converted").folder
    with pytest.MonkeyPatch.context() as patch, watched_tuning(patch) as seen:
        run(tmp_path, converted, "full", max_steps=1)
    loaded = load(checkpoint(tmp_path, 1), settings)
    assert torch.equal(logits_of(loaded), logits_of(seen[0].loaded))
    assert loaded.prompt_ids(CONVERSATION) == seen[0].loaded.prompt_ids(CONVERSATION)
    assert loaded.template_hash == seen[0].loaded.template_hash


@pytest.mark.parametrize("base, method", slow_but(QUICK, product(BASES, ADAPTERS)))
def test_nothing_but_the_learnt_weights_changes_or_is_saved(base, method, tuned_by, settings):
    made = tuned_by(base, method)
    before = load(base_folder(base), settings).model.state_dict()
    after = {
        name.replace("base_layer.", ""): weight
        for name, weight in made.tuned.loaded.model.state_dict().items()
        if not any(part in name for part in LEARNT)
    }
    assert_same_tensors(after, before)
    saved = learnt_weights(made.checkpoint)
    assert saved
    for name, weight in saved.items():
        assert any(part in name for part in LEARNT) or name.startswith(PEFT_PREFIX)
        assert weight.dtype == torch.float32
    learning = {name for name, weight in made.tuned.model.named_parameters() if weight.requires_grad}
    assert learning
    assert all(any(part in name for part in LEARNT) for name in learning)
    assert not any("lm_head" in name or "output_layer" in name for name in (*saved, *learning))


@pytest.mark.parametrize(
    "base, method",
    slow_but(product(["chatglm", "chatglm3"], PREFIXES), product(ORIGINALS, PREFIXES)),
)
def test_a_prefix_of_an_original_is_written_as_the_scripts_of_2023_read_it(base, method, tuned_by):
    made = tuned_by(base, method)
    saved = torch.load(made.checkpoint / "pytorch_model.bin", weights_only=True)
    start = "transformer.prefix_encoder."
    names = {"embedding.weight"}
    if method == "projected":
        names |= {f"trans.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}
    assert saved.keys() == {start + name for name in names}
    config = read_json(made.checkpoint / "config.json")
    assert (config["pre_seq_len"], config["prefix_projection"]) == (3, method == "projected")
    assert config["model_type"] == "chatglm"
    layers, width = 2, 32 if base == "chatglm" else 16  # 4 heads of 8 numbers, or 2 groups of 8
    hidden, whole = 32, 2 * layers * width
    narrow = hidden if base == "chatglm" else whole  # ChatGLM2 embeds in the width of all its layers
    if method == "prefix":
        assert saved[f"{start}embedding.weight"].shape == (3, whole)
    else:
        assert saved[f"{start}embedding.weight"].shape == (3, narrow)
        assert saved[f"{start}trans.0.weight"].shape == (hidden, narrow)
        assert saved[f"{start}trans.2.weight"].shape == (whole, hidden)


@pytest.mark.parametrize(
    "base, method",
    slow_but(
        [*product(["chatglm"], ADAPTERS), ("glm", "lora")],
        product(["chatglm", "glm"], ADAPTERS),
    ),
)
def test_a_checkpoint_says_what_it_was_made_of(base, method, tuned_by):
    made = tuned_by(base, method)
    manifest = read_manifest(made.checkpoint)
    assert manifest is not None
    assert manifest.family == base
    assert manifest.template_hash == made.tuned.loaded.template_hash
    assert is_adapter(made.checkpoint)
    expected = {"rank": 2, "alpha": 16} if method == "lora" else None
    sizes = dict(manifest.sizes)
    assert sizes == (expected or {"pre_seq_len": 3, "prefix_projection": method == "projected"})


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_peft_itself_loads_what_is_saved_for_models_of_today(method, tuned_by, settings):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    made = tuned_by("llama", method)
    base = AutoModelForCausalLM.from_pretrained(base_folder("llama"), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(made.checkpoint)).eval()
    assert torch.equal(logits_of(made.tuned.loaded, model), made.logits)


@pytest.mark.parametrize("base", slow_but(["chatglm", "llama"], BASES))
def test_the_head_learns_nothing_even_where_every_layer_does(base, tmp_path):
    with pytest.MonkeyPatch.context() as patch, watched_tuning(patch) as seen:
        run(tmp_path, base, "lora", max_steps=1, lora_targets="all-linear")
    learning = [name for name, weight in seen[0].model.named_parameters() if weight.requires_grad]
    assert learning
    assert not any("lm_head" in name for name in (*learning, *learnt_weights(checkpoint(tmp_path, 1))))


def test_the_config_of_an_adapter_names_its_base_and_no_machine_paths(tuned_by):
    made = tuned_by("llama", "lora")
    text = (made.checkpoint / "adapter_config.json").read_text(encoding="utf-8")
    config = json.loads(text)
    assert config["base_model_name_or_path"] == "llama"
    assert config["inference_mode"] is True
    assert sorted(config["target_modules"]) == ["k_proj", "o_proj", "q_proj", "v_proj"]
    assert str(base_folder("llama")) not in text
