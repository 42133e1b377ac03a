"""Data files prepared as a run does it."""

from types import SimpleNamespace

import pytest

from glmcore.models.catalog import FAMILIES
from glmcore.models.tokenizers.chatglm import ChatGLMTokenizer
from glmcore.tuning.data.prepared import prepare_training
from glmcore.tuning.data.tokens import ExampleBuilder
from tests.models.original_folders import vocabulary
from tests.models.tiny_model import build_tokenizer

FORMS = {family.name: family.prompt_form for family in FAMILIES}


@pytest.fixture(scope="module")
def chatglm(tmp_path_factory):
    path = tmp_path_factory.mktemp("chatglm") / "ice_text.model"
    path.write_bytes(vocabulary("chatglm"))
    return ChatGLMTokenizer(path)


@pytest.fixture
def prepare(tmp_path, chatglm):
    """Prepared rows of a training file."""

    def make(data, base="llama", seed=1, template="t"):
        tokenizer = chatglm if base == "chatglm" else build_tokenizer()
        end = "<eop>" if base == "chatglm" else "<|end|>"
        made = ExampleBuilder(
            form=FORMS["chatglm" if base == "chatglm" else "glm"],
            tokenizer=tokenizer,
            ends=(tokenizer.convert_tokens_to_ids(end),),
            max_input_length=data.max_input_length,
            max_output_length=data.max_output_length,
        )
        return prepare_training(data, made, template, seed, tmp_path / "prepared", lambda stage, share: None)

    return SimpleNamespace(make=make, folder=tmp_path / "prepared")
