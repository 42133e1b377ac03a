"""The native families give what the original code gives: the numbers, ids and texts of the references."""

import pytest
import torch

from tests.models.reference import (
    FAMILIES,
    FORMS,
    ON_LOAD,
    PREFIXES,
    conversation,
    expected,
    expected_ids,
    expected_logits,
    loaded_model,
    one_thread,
    prompts_of,
    relative_error,
    tensors,
)

CLOSE = 1e-5
GENERATING = ("full", *PREFIXES)

each_family = pytest.mark.parametrize("family", FAMILIES)
each_form = pytest.mark.parametrize("form", FORMS)
on_one_thread = pytest.fixture(autouse=True, scope="module")(one_thread)
with_and_without_cache = pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])


@torch.no_grad()
def logits_of(loaded, ids, **options):
    return loaded.model(input_ids=ids, **options).logits


def answers_of(loaded, inputs, num_tokens, **options):
    """The new ids of each row of a batch."""
    found = loaded.model.generate(**inputs, max_new_tokens=num_tokens, do_sample=False, **options)
    return found[:, inputs["input_ids"].shape[1] :].tolist()


def answer_of(loaded, prompt, num_tokens, **options):
    return answers_of(loaded, {"input_ids": torch.tensor([prompt])}, num_tokens, **options)[0]


def padded_left(loaded, prompts):
    return loaded.tokenizer.pad({"input_ids": prompts}, return_tensors="pt", padding_side="left")


def without_end(ids, loaded):
    """Up to the end token, after which a batch is padded."""
    ends = [place for place, token in enumerate(ids) if token == loaded.model.generation_config.eos_token_id]
    return ids[: ends[0] + 1] if ends else ids


@each_family
@each_form
def test_logits_are_the_originals(family, form):
    found = logits_of(loaded_model(family, form), tensors(family)["input_ids"][:2])
    for row, wanted in enumerate(expected_logits(family, form)):
        end = expected(family)["lengths"][row]
        assert relative_error(found[row, end - len(wanted) : end], wanted) < CLOSE


@each_family
def test_loss_is_the_originals(family):
    rows = {name: tensors(family)[name] for name in ("input_ids", "labels")}
    with torch.no_grad():
        loss = loaded_model(family).model(**rows).loss
    assert relative_error(loss, tensors(family)["loss"][0]) < CLOSE


@each_family
@each_form
def test_row_padded_on_the_right_is_what_it_is_alone(family, form):
    loaded, ids = loaded_model(family, form), tensors(family)["input_ids"]
    mask = torch.arange(ids.shape[1]) < torch.tensor(expected(family)["lengths"])[:, None]
    together, masked = logits_of(loaded, ids), logits_of(loaded, ids, attention_mask=mask.long())
    for row, length in enumerate(expected(family)["lengths"]):
        alone = logits_of(loaded, ids[row : row + 1, :length])[0]
        assert relative_error(together[row, :length], alone) < CLOSE
        assert relative_error(masked[row, :length], alone) < CLOSE


@pytest.mark.parametrize(
    ("family", "with_mask"), [*((family, True) for family in FAMILIES), ("chatglm-6b", False)]
)
def test_row_padded_on_the_left_is_what_it_is_alone(family, with_mask):
    """Without a mask ChatGLM-6B reads the padding off the ids; transformers' own model takes it for text."""
    loaded, prompts = loaded_model(family), prompts_of(family)[:5]
    batch = padded_left(loaded, prompts)
    mask = {"attention_mask": batch["attention_mask"]} if with_mask else {}
    together = logits_of(loaded, batch["input_ids"], **mask)
    for row, prompt in enumerate(prompts):
        alone = logits_of(loaded, torch.tensor([prompt]))[0]
        assert relative_error(together[row, -len(prompt) :], alone) < CLOSE


@each_family
@pytest.mark.parametrize("form", GENERATING)
@with_and_without_cache
def test_greedy_answers_are_the_originals(family, form, use_cache):
    loaded, wanted = loaded_model(family, form), expected_ids(family, form)
    for prompt, ids in zip(prompts_of(family), wanted, strict=False):
        assert answer_of(loaded, prompt, len(wanted[0]), use_cache=use_cache) == ids


@each_family
@pytest.mark.parametrize("form", GENERATING)
@with_and_without_cache
@pytest.mark.parametrize("with_mask", [True, False], ids=["mask", "no mask"])
def test_batch_answers_as_one_by_one(family, form, use_cache, with_mask):
    loaded, wanted = loaded_model(family, form), expected_ids(family, form)
    batch = padded_left(loaded, prompts_of(family)[: len(wanted)])
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")[: 1 + with_mask]}
    found = answers_of(loaded, inputs, len(wanted[0]), use_cache=use_cache)
    assert [without_end(ids, loaded) for ids in found] == wanted


@each_family
@pytest.mark.parametrize("form", ["int8", "int4", *ON_LOAD])
def test_quantized_weights_answer_alike_with_and_without_cache(family, form):
    loaded, prompts = loaded_model(family, form), prompts_of(family)[:4]
    alone = [answer_of(loaded, prompt, 12) for prompt in prompts]
    together = answers_of(loaded, padded_left(loaded, prompts), 12, use_cache=False)
    assert [without_end(ids, loaded) for ids in together] == [without_end(ids, loaded) for ids in alone]


@each_family
@pytest.mark.parametrize("bits", [8, 4])
def test_quantizing_on_load_gives_the_published_numbers(family, bits):
    published = loaded_model(family, f"int{bits}").model.state_dict()
    made = loaded_model(family, f"int{bits} on load").model.state_dict()
    assert made.keys() == published.keys()
    assert [name for name in made if not torch.equal(made[name], published[name])] == []


@each_family
@pytest.mark.parametrize("form", ["full", "prefix", "int4"])
def test_beams_are_the_same_with_and_without_cache(family, form):
    loaded = loaded_model(family, form)
    batch = padded_left(loaded, prompts_of(family)[:3])
    options = {"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 10, "do_sample": False}
    cached = loaded.model.generate(**batch, **options)
    assert cached.shape[0] == 6
    assert cached.tolist() == loaded.model.generate(**batch, **options, use_cache=False).tolist()
    alone = loaded.model.generate(input_ids=torch.tensor([prompts_of(family)[0]]), **options)
    width = alone.shape[1] - len(prompts_of(family)[0])
    assert cached[:2, -10:][:, :width].tolist() == alone[:, -width:].tolist()


@each_family
def test_several_samples_of_one_prompt_differ_and_repeat_with_the_seed(family):
    loaded, prompt = loaded_model(family), torch.tensor([prompts_of(family)[0]])
    samples = []
    for _ in range(2):
        torch.manual_seed(1)
        found = loaded.model.generate(
            input_ids=prompt, do_sample=True, num_return_sequences=3, max_new_tokens=8
        )
        samples.append([tuple(row) for row in found[:, prompt.shape[1] :].tolist()])
    assert samples[0] == samples[1]
    assert len(set(samples[0])) > 1


@each_family
def test_tokenizer_gives_the_originals_ids_and_text(family):
    tokenizer = loaded_model(family).tokenizer
    for entry in expected(family)["tokenizer"]:
        assert tokenizer(entry["text"])["input_ids"] == entry["input_ids"]
        assert tokenizer.decode(entry["input_ids"]) == entry["decoded"]


@each_family
def test_prompts_are_the_originals(family):
    loaded, wanted = loaded_model(family), expected(family)
    system = [wanted["system_prompt"]] if "system_prompt" in wanted else []
    for entry in [*wanted["chat_prompt"], *system]:
        assert loaded.prompt_ids(conversation(entry)) == entry["input_ids"]


@each_family
def test_shown_answers_are_the_originals(family):
    """ChatGLM3's code drops the last token of every answer, be it an end token or not."""
    loaded = loaded_model(family)
    for entry in expected(family)["chat"]:
        prompt = loaded.prompt_ids(conversation(entry))
        options = {"eos_token_id": list(loaded.eos_token_ids)}
        ids = answer_of(loaded, prompt, entry["max_new_tokens"], **options)
        text = loaded.tokenizer.decode(ids[:-1] if family == "chatglm3-6b" else ids)
        assert loaded.clean_answer(text) == entry["response"]
