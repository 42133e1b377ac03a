"""ChatGLM-6B's model as transformers' own tools expect one: losses, outputs, copies, saved folders."""

import copy
import pickle

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from glmcore.core.errors import DataError
from glmcore.models import load_model
from tests.models.reference import FAMILIES, folder_of, loaded_model, prefix_folder, relative_error, tensors

V1 = "chatglm-6b"


def rows():
    return {name: tensors(V1)[name] for name in ("input_ids", "labels")}


@torch.no_grad()
def logits_of(model, family=V1):
    return model(input_ids=tensors(family)["input_ids"]).logits


def test_loss_is_divided_by_the_number_of_labels_of_the_whole_batch():
    model, labels = loaded_model(V1).model, rows()["labels"]
    count = int((labels[:, 1:] != -100).sum())
    whole = model(**rows()).loss
    parts = [
        model(input_ids=ids[None], labels=wanted[None], num_items_in_batch=count).loss
        for ids, wanted in zip(rows()["input_ids"], labels, strict=True)
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_hidden_states_and_tuples_are_given_where_asked_for():
    model, ids = loaded_model(V1).model, rows()["input_ids"]
    with torch.no_grad():
        found = model(input_ids=ids, output_hidden_states=True)
        first = model(input_ids=ids, return_dict=False)[0]
    assert len(found.hidden_states) == model.config.num_hidden_layers + 1
    assert torch.equal(found.hidden_states[0], model.transformer.word_embeddings(ids))
    assert torch.equal(model.lm_head(found.hidden_states[-1]), found.logits)
    assert torch.equal(first, found.logits)


def test_input_without_places_is_refused():
    model = loaded_model(V1).model
    with pytest.raises(DataError, match="needs input_ids of two dimensions"):
        model(input_ids=rows()["input_ids"][0])
    with pytest.raises(DataError, match="needs input_ids"):
        model(inputs_embeds=torch.zeros(1, 3, model.config.hidden_size))


@pytest.mark.parametrize("family", FAMILIES)
def test_model_with_a_prefix_can_be_copied_and_pickled_after_a_pass_with_gradients(family):
    model = load_model(folder_of(family), dtype="float32", adapter=prefix_folder(family, "prefix")).model
    model(input_ids=tensors(family)["input_ids"])
    expected = logits_of(model, family)
    assert torch.equal(logits_of(copy.deepcopy(model), family), expected)
    assert torch.equal(logits_of(pickle.loads(pickle.dumps(model)), family), expected)


@pytest.mark.parametrize("form", ["prefix", "prefix_projection"])
def test_saved_model_keeps_its_prefix(form, tmp_path):
    loaded = load_model(folder_of(V1), dtype="float32", adapter=prefix_folder(V1, form))
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    for again in (
        load_model(tmp_path, dtype="float32").model,
        AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32),
    ):
        assert relative_error(logits_of(again), logits_of(loaded.model)) < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [None, 8, 4])
def test_saved_model_is_loaded_again(family, bits, tmp_path):
    loaded = load_model(folder_of(family), dtype="float32", quantization_bits=bits)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    again = load_model(tmp_path, dtype="float32")
    assert torch.equal(logits_of(again.model, family), logits_of(loaded.model, family))
    text = "你好, hello"
    assert again.tokenizer(text)["input_ids"] == loaded.tokenizer(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] == loaded.tokenizer(text)["input_ids"]
