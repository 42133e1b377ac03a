"""Prompt forms to ask for what a model learns: each family's, and templates of models of today."""

import base64
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from glmcore.core.messages import Message
from glmcore.models.catalog import FAMILIES
from glmcore.models.chat_template import ChatTemplate
from glmcore.models.tokenizers.chatglm import ChatGLM2Tokenizer, ChatGLM3Tokenizer, ChatGLMTokenizer
from glmcore.models.tokenizers.tiktoken_file import build_tiktoken_tokenizer
from tests.models.original_folders import VOCABULARY_FILES, vocabulary
from tests.models.tiny_model import build_tokenizer

KINDS = {"chatglm": ChatGLMTokenizer, "chatglm2": ChatGLM2Tokenizer, "chatglm3": ChatGLM3Tokenizer}
ENDS = {
    "chatglm": ("<eop>",),
    "chatglm2": ("</s>",),
    "chatglm3": ("</s>", "<|user|>", "<|observation|>"),
    "glm-4-9b": ("<|endoftext|>", "<|user|>", "<|observation|>"),
    "llama": ("<|end|>",),
}
NAMES = list(ENDS)
FORMS = {family.name: family.prompt_form for family in FAMILIES}
# Templates of today's models that differ in what they write of earlier answers.
GLM_4 = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THOUGHTS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{{ m.content if loop.last else m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_END = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
END_OF_QUESTIONS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    "{% if m.role == 'user' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKS_FIRST = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n\n</think>{% endif %}"
)
TEMPLATES = {
    "glm-4": GLM_4,
    "thoughts": THOUGHTS,
    "no end": NO_END,
    "end of questions": END_OF_QUESTIONS,
    "no system": NO_SYSTEM,
    "thinks first": THINKS_FIRST,
}


def turns(*texts, system=None):
    head = [Message("system", system)] if system else []
    return [*head, *(Message(("user", "assistant")[index % 2], text) for index, text in enumerate(texts))]


@cache
def family_tokenizers():
    """A tokenizer of each name; nothing may be changed in them."""
    made = {}
    with TemporaryDirectory() as root:
        for family, kind in KINDS.items():
            path = Path(root) / family / VOCABULARY_FILES[family]
            path.parent.mkdir()
            path.write_bytes(vocabulary(family))
            made[family] = kind(path)
        lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
        (Path(root) / "tokenizer.model").write_text("\n".join(lines))
        made["glm-4-9b"] = build_tiktoken_tokenizer(Path(root))
    return made | {"llama": build_tokenizer()}


def asked(name):
    """Form, tokenizer and ends of a name: of a family, or a template on the tiny tokenizer."""
    if name in ENDS:
        tokenizer = family_tokenizers()[name]
        return FORMS.get(name, ChatTemplate()), tokenizer, ids_of(tokenizer, *ENDS[name])
    tokenizer = build_tokenizer()
    if name == "glm-4":
        special = ["[gMASK]", "<sop>", "<|endoftext|>", "<|observation|>"]
        tokenizer.add_special_tokens(
            {"additional_special_tokens": special}, replace_extra_special_tokens=False
        )
    if name in ("thoughts", "thinks first"):
        tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = TEMPLATES[name]
    ends = ENDS["glm-4-9b" if name == "glm-4" else "llama"]
    return ChatTemplate(), tokenizer, ids_of(tokenizer, *ends)


def ids_of(tokenizer, *names):
    ids = tuple(tokenizer.convert_tokens_to_ids(name) for name in names)
    assert None not in ids
    return ids


def pieces(tokenizer, *parts):
    """Ids: a part in a list is a control token, any other is text."""
    ids = []
    for part in parts:
        if isinstance(part, list):
            ids += ids_of(tokenizer, *part)
        elif hasattr(tokenizer, "text_ids"):
            ids += tokenizer.text_ids(part)
        else:
            ids += tokenizer(part, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids
