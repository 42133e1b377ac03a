"""The estimate follows a job's values, and is close to what autograd keeps and to what was published."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from glmcore.core.errors import NotEnoughMemoryError
from glmcore.core.i18n import translate_error
from glmcore.core.settings import Settings
from glmcore.models.catalog import FAMILIES
from glmcore.models.places.devices import GIB, Device
from glmcore.tuning.job_config import JobConfig
from glmcore.tuning.planning import memory
from glmcore.tuning.planning.memory import check_memory, estimate_memory
from glmcore.tuning.planning.outline import Outline, read_outline
from glmcore.tuning.planning.sizes import ModelSizes, sizes_of
from tests.sources import ROOT
from tests.tuning.cases import slow_but
from tests.tuning.running import BASES, METHODS, job_file

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = [("chatglm", method) for method in METHODS] + [("llama", method) for method in METHODS]
GPU = Device("cuda:0", "", 80 * GIB, 80 * GIB)


def tiny(folder, base="llama", method="lora", on=None, **values):
    """Job and outline; `on` is another device than the CPU."""
    job = job_file(folder, base, method, precision="fp32", **values).config
    found = read_outline(job, Settings(home=folder, allow_hub=False), lambda stage, share: None)
    return job, replace(found, blueprint=replace(found.blueprint, device=on)) if on else found


def changed(job, section, **values):
    return replace(job, **{section: replace(getattr(job, section), **values)})


# --- held against the real thing


@pytest.mark.parametrize("base, method", slow_but(QUICK, product(BASES, METHODS)))
def test_activations_are_about_what_autograd_keeps(tmp_path, base, method):
    lengths = {"max_input_length": 200, "max_output_length": 56}
    job, outline = tiny(tmp_path, base, method, **lengths)
    estimate = estimate_memory(job, outline)
    layers = outline.sizes.num_layers
    counted = estimate.activations * layers / (layers + 1)  # one more is for backward
    kept = bytes_kept(job, rows=2, tokens=256)
    assert 0.9 < kept / counted < 1.15


def bytes_kept(job, rows, tokens):
    """Of all tensors that one forward pass keeps for backward, each once, without the weights."""
    import torch

    from glmcore.models import Message, load_model
    from glmcore.tuning.methods.choose import tune

    tuned = tune(load_model(job.model.base_model, dtype="float32", device="cpu"), job)
    model = tuned.model.train()
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0  # with any, sdpa on a CPU keeps all scores; no known model has it
    weights = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    prompt = tuned.loaded.prompt_ids([Message("user", "a")])
    ids = torch.tensor([prompt + prompt[-1:] * (tokens - len(prompt))] * rows)
    mask = torch.ones_like(ids)
    mask[1, -9:] = 0
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=1)
        return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize(("bits", "published"), [(None, 14), (8, 9), (4, 7)])
def test_p_tuning_of_chatglm_6b_takes_about_what_was_published(bits, published):
    job = changed(JobConfig(), "tuning", method="ptuning_v2")
    job = changed(job, "data", max_input_length=64, max_output_length=64)
    job = changed(job, "training", per_device_train_batch_size=1)
    estimate = estimate_memory(job, chatglm_6b(bits))
    assert 0.8 < estimate.total / GIB / published < 1.1
    assert estimate.num_trainable == 128 * 2 * 28 * 4096


def chatglm_6b(bits) -> Outline:
    """The published sizes with a prefix, on a GPU of 80 GiB."""
    import torch

    from glmcore.models.blueprint import Blueprint
    from glmcore.models.files.checkpoint import Checkpoint
    from glmcore.models.native.chatglm_config import ChatGLMConfig
    from glmcore.models.native.loader import Source, empty_model
    from glmcore.tuning.methods.choose import tune
    from tests.models.reference import loaded_model

    source = Source(Path(), "chatglm", ChatGLMConfig(), {}, None)
    model = empty_model(source, torch.float16, bits)
    model.tie_weights()
    loaded = replace(loaded_model("chatglm-6b"), model=model)
    with torch.device("meta"):
        tuned = tune(loaded, changed(JobConfig(), "tuning", method="ptuning_v2"))
    blueprint = Blueprint(
        name="chatglm-6b",
        checkpoint=Checkpoint(Path(), {}),
        family=FAMILIES[0],
        dtype="float16",
        device=GPU,
        bits=bits,
        sizes={},
        source=source,
    )
    return Outline(
        blueprint=blueprint,
        loaded=loaded,
        precision="fp16",
        free_bytes=GPU.free_bytes,
        sizes=sizes_of(tuned, blueprint),
    )


# --- what follows what


def test_parts_add_up_and_weights_are_counted_by_what_learns(tmp_path):
    job, outline = tiny(tmp_path, method="full")
    found = estimate_memory(job, outline)
    learnt = 4 * outline.sizes.num_trainable
    assert (found.weights, found.learnt, found.gradients, found.optimizer) == (0, learnt, learnt, 2 * learnt)
    assert found.checkpoint_bytes == 3 * learnt
    assert found.total == sum(found.parts.values()) and found.fits
    job, outline = tiny(tmp_path, method="lora")
    found = estimate_memory(job, outline)
    assert found.weights == outline.sizes.frozen_bytes > found.learnt > 0


@pytest.mark.parametrize(
    ("section", "values", "part", "factor"),
    [
        ("training", {"per_device_train_batch_size": 6}, "activations", 3),
        ("training", {"per_device_train_batch_size": 6}, "logits", 3),
        ("training", {"optim": "sgd"}, "optimizer", 0),
        ("devices", {"num_processes": 2}, "gradients", 2),
    ],
)
def test_a_part_follows_its_field(tmp_path, section, values, part, factor):
    job, outline = tiny(tmp_path)
    before, after = (estimate_memory(one, outline) for one in (job, changed(job, section, **values)))
    assert after.parts[part] == factor * before.parts[part]


def test_adafactor_keeps_rows_and_columns(tmp_path):
    job, outline = tiny(tmp_path, optim="adafactor")
    outline = replace(outline, sizes=replace(outline.sizes, learnt_shapes=((8, 32), (5,))))
    assert estimate_memory(job, outline).optimizer == 4 * (8 + 32 + 5)


def test_checkpointing_keeps_little_and_is_usual_on_a_gpu_where_the_method_can(tmp_path):
    job, on_cpu = tiny(tmp_path)
    on_gpu = replace(on_cpu, blueprint=replace(on_cpu.blueprint, device=GPU))
    usual, asked, refused = (
        estimate_memory(changed(job, "training", gradient_checkpointing=asked), on_gpu).activations
        for asked in (None, True, False)
    )
    assert usual == asked < refused / 2
    cannot = replace(on_gpu, sizes=replace(on_gpu.sizes, may_checkpoint=False))
    assert estimate_memory(job, cannot).activations == refused
    assert estimate_memory(job, on_cpu).activations > refused / 2


def test_sixteen_bits_halve_what_frozen_layers_keep_and_copy_what_learns(tmp_path):
    job, outline = tiny(tmp_path, method="full")
    exact, short = (estimate_memory(job, replace(outline, precision=name)) for name in ("fp32", "bf16"))
    assert exact.weights == 0 and short.weights == 2 * outline.sizes.num_trainable
    assert short.activations < exact.activations and short.logits == exact.logits


def test_rows_that_are_shorter_than_the_limits_take_less(tmp_path):
    job, outline = tiny(tmp_path)
    limit = job.data.max_input_length + job.data.max_output_length
    assert estimate_memory(job, outline).tokens == limit
    assert estimate_memory(job, outline, longest=10 * limit).tokens == limit
    assert estimate_memory(job, outline, longest=30).total < estimate_memory(job, outline).total


def test_evaluation_counts_where_it_takes_more_than_a_step(tmp_path):
    job, outline = tiny(tmp_path)
    many = changed(job, "evaluation", per_device_eval_batch_size=500, evaluate_every_steps=1)
    answers = changed(many, "evaluation", predict_with_generate=True, num_beams=8, max_new_tokens=4000)
    never = changed(many, "evaluation", evaluate_every_steps=0)
    found = [estimate_memory(one, outline).evaluation for one in (never, many, answers)]
    assert 0 == found[0] < found[1] < found[2]


@pytest.mark.parametrize(
    ("file", "divided"),
    [
        ("ddp.yaml", set()),
        ("fsdp.yaml", {"learnt", "gradients", "optimizer"}),
        ("deepspeed_zero2.yaml", {"gradients", "optimizer"}),
        ("deepspeed_zero3.yaml", {"learnt", "gradients", "optimizer"}),
    ],
)
def test_processes_share_what_their_file_says(tmp_path, file, divided):
    job, outline = tiny(tmp_path, method="full", on=GPU, optim="adamw_torch_fused")
    alone = estimate_memory(job, outline)
    config = ROOT / "configs" / "accelerate" / file
    together = changed(job, "devices", num_processes=4, accelerate_config=config, device="cuda")
    found = estimate_memory(together, outline)
    for name in ("learnt", "gradients", "optimizer"):
        parts = 4 if name in divided else 0.5 if (file, name) == ("ddp.yaml", "gradients") else 1
        assert found.parts[name] == alone.parts[name] / parts, name
    assert found.total >= found.loading  # each process reads all weights


# --- too much


def with_free(outline, free):
    return replace(outline, free_bytes=int(free))


@pytest.mark.parametrize(
    ("method", "values", "share", "advice"),
    [
        ("full", {"per_device_train_batch_size": 64}, 0.6, memory.USE_CHECKPOINTING),
        (
            "full",
            {"per_device_train_batch_size": 64, "gradient_checkpointing": "true"},
            0.5,
            memory.LOWER_BATCH,
        ),
        (
            "full",
            {"per_device_train_batch_size": 1, "gradient_checkpointing": "true", "max_input_length": 4000},
            0.5,
            memory.LOWER_LENGTHS,
        ),
        ("lora", {"evaluate_every_steps": 1, "per_device_eval_batch_size": 99}, 0.5, memory.LOWER_EVALUATION),
        ("full", {}, 0.001, memory.USE_LORA),
        ("lora", {}, 0.001, memory.SHARE),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_change_that_would_do(
    tmp_path, monkeypatch, method, values, share, advice
):
    monkeypatch.setattr(memory, "CPU_OVERHEAD", 0)  # of more weight than all of a tiny model
    if "evaluate_every_steps" in values:
        values = {**values, "validation_share": 0.1}
    job, outline = tiny(tmp_path, method=method, **values)
    total = estimate_memory(job, outline).total
    found = estimate_memory(job, with_free(outline, share * total))
    assert not found.fits and found.advice == advice
    with pytest.raises(NotEnoughMemoryError, match=advice.split()[0]) as caught:
        check_memory(found)
    assert advice in translate_error(caught.value, "en")


def test_a_model_that_can_be_quantized_is_to_be(tmp_path):
    job, outline = tiny(tmp_path, "chatglm2")
    assert estimate_memory(job, with_free(outline, 1000)).advice == memory.QUANTIZE


def test_what_fits_is_let_through(tmp_path):
    job, outline = tiny(tmp_path)
    found = estimate_memory(job, outline)
    check_memory(found)
    assert found.fits and not found.advice
    assert found.verdict.text.endswith("GiB are free on cpu.")


def test_sizes_count_the_numbers_of_shapes():
    sizes = ModelSizes(
        num_parameters=9, frozen_bytes=0, learnt_shapes=((2, 3), (4,), ()), num_layers=1, hidden=1, inner=1,
        is_gated=False, query_width=1, key_width=1, vocabulary=1,
    )  # fmt: skip
    assert sizes.num_trainable == 2 * 3 + 4 + 1
