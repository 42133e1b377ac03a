"""Which adapters the engine takes: everything that it would leave out or compute otherwise is refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from glmcore.chat.openvino import process
from glmcore.chat.openvino.adapters import build_adapted, fit_adapter, linear_names, reason_against_adapter
from glmcore.chat.openvino.engine import OpenVinoEngine
from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models.adapters.manifest import AdapterManifest, write_manifest
from glmcore.models.openvino import OpenVinoModel
from tests.chat.conftest import greedy, request_for

GRAPH = "\n".join(
    f'<layer id="{at}" name="__module.model.layers.0.{name}/ov_ext::linear/MatMul" type="MatMul" />'
    for at, name in enumerate(("self_attn.q_proj", "self_attn.v_proj"))
)
WEIGHTS = "adapter_model.safetensors"
LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "ov"
    folder.mkdir()
    (folder / "openvino_model.xml").write_text(GRAPH)
    return OpenVinoModel(
        name="tiny",
        folder=folder,
        text=SimpleNamespace(template_hash="abc"),
        window=64,
        eos_token_ids=(2,),
        default_params=GenerationParams(),
        kv_numbers_per_token=8,
        weight_bytes=100,
    )


@pytest.fixture
def engine(model, monkeypatch):
    monkeypatch.setattr(process, "WORKER", "tests.chat.openvino.scripted_worker")
    engine = OpenVinoEngine(model, Settings())
    yield engine
    engine.close()


def write_adapter(home: Path, layer=LAYER, **config) -> Path:
    folder = home / "jobs" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, **config}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    parts = {f"{layer}.lora_A.weight": (4, 8), f"{layer}.lora_B.weight": (8, 4)}
    save_file({name: np.ones(shape, np.float32) for name, shape in parts.items()}, folder / WEIGHTS)
    return folder


@pytest.mark.parametrize(("config", "scale"), [({}, 2.0), ({"use_rslora": True}, 4.0)])
def test_a_plain_lora_is_taken_with_its_factor(tmp_path, model, config, scale):
    folder = write_adapter(tmp_path, **config)
    fitted = fit_adapter(model, "jobs/demo", Settings(home=tmp_path))
    assert (fitted.name, fitted.path, fitted.scale) == ("jobs/demo", folder / WEIGHTS, scale)


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("use_dora", True),
        ("bias", "all"),
        ("modules_to_save", ["lm_head"]),
        ("fan_in_fan_out", True),
        ("rank_pattern", {"q_proj": 2}),
        ("alpha_pattern", {"q_proj": 2}),
        ("peft_type", "PREFIX_TUNING"),
        ("r", 0),
        ("lora_alpha", "much"),
    ],
)
def test_what_is_no_plain_lora_is_refused_by_name(tmp_path, model, field, found):
    write_adapter(tmp_path, **{field: found})
    with pytest.raises(ModelLoadError, match=field):
        fit_adapter(model, "jobs/demo", Settings(home=tmp_path))


def test_a_layer_that_the_graph_does_not_have_is_refused(tmp_path, model):
    write_adapter(tmp_path, layer=LAYER.replace("q_proj", "k_proj"))
    with pytest.raises(ModelLoadError, match=r"no layer for .*k_proj"):
        fit_adapter(model, "jobs/demo", Settings(home=tmp_path))


@pytest.mark.parametrize(("found", "is_refused"), [("abc", False), ("other", True)])
def test_an_adapter_of_other_prompts_is_refused(tmp_path, engine, found, is_refused):
    folder = write_adapter(tmp_path)
    write_manifest(
        folder, AdapterManifest(base_model="tiny", family="llama", template_hash=found, method="lora")
    )
    reason = reason_against_adapter(engine, "jobs/demo", Settings(home=tmp_path))
    assert (reason is not None) == is_refused


def test_an_unknown_adapter_is_no_reason_to_ask_another_engine(tmp_path, engine):
    with pytest.raises(NotFoundError):
        reason_against_adapter(engine, "nobody", Settings(home=tmp_path))


def test_the_names_of_layers_are_read_anew_when_the_graph_has_changed(model):
    graph = model.folder / "openvino_model.xml"
    assert linear_names(graph) == {"model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj"}
    graph.write_text("")
    assert linear_names(graph) == frozenset()


@pytest.mark.slow
def test_a_lora_answers_as_it_does_in_transformers(embedded_home, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from glmcore.models import find_model
    from glmcore.models.openvino import prepare

    torch.manual_seed(0)
    settings = Settings(home=embedded_home)
    entry = find_model(EMBEDDED_MODEL, settings)
    plain = AutoModelForCausalLM.from_pretrained(entry.path, dtype=torch.float32)
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(entry.path, dtype=torch.float32),
        LoraConfig(r=8, lora_alpha=24, target_modules="all-linear"),
    )
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    tuned.save_pretrained(tmp_path / "jobs" / "demo")
    base = OpenVinoEngine(
        prepare(entry, settings, lambda *stage: None), replace(settings, exact_batches=True)
    )
    engine = build_adapted(base, str(tmp_path / "jobs" / "demo"), replace(settings, exact_batches=True))
    agreed = {"plain": 0, "tuned": 0, "all": 0}
    for question in (
        "Tell me about rivers.",
        "Write a poem about stone.",
        "Explain gravity.",
        "Who are you?",
    ):
        request = request_for(question, params=greedy(max_new_tokens=40))
        prompt = base.model.text.prompt_ids(request.messages)
        ids = base.model.text.text_ids("".join(engine.submit(request)))
        for name, reference in (("plain", plain), ("tuned", tuned.base_model.model)):
            with torch.no_grad():
                best = reference(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].argmax(-1)
            agreed[name] += int((best == torch.tensor(ids)).sum())
        agreed["all"] += len(ids)
    engine.close()
    base.close()
    assert agreed["tuned"] > 0.85 * agreed["all"]
    assert agreed["tuned"] - agreed["plain"] > 0.08 * agreed["all"]
