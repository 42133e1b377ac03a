"""The families of models: how to recognise a folder, and all that differs between one family and another.

A new family is one entry here and its tests. Reads JSON only; what is computed with lives in `native`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glmcore.core.messages import GenerationParams
from glmcore.models.answer_text import Clean, as_it_is, clean_chatglm, clean_chatglm2
from glmcore.models.chat_template import ChatTemplate
from glmcore.models.prompt_forms import PromptForm, RoleTokens, Rounds

VERSION = re.compile(r"chatglm[23]|glm-?4")  # of three families with one form of config.json
CHAT_TEMPLATE = ChatTemplate()
Recognise = Callable[[Mapping[str, Any], Path | None], bool]


@dataclass(frozen=True, slots=True)
class LayerNames:
    """Module paths for a device map; layer i is `{layers}.{i}`."""

    embedding: str = "model.embed_tokens"
    layers: str = "model.layers"
    norm: str = "model.norm"
    head: str = "lm_head"
    beside_embedding: tuple[str, ...] = ("model.rotary_emb",)  # modules without stored weights


TODAYS_NAMES = LayerNames()


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the rest of the program asks about a family."""

    name: str
    title: str
    recognise: Recognise
    # How its weights are stored: in ChatGLM-6B's own form, in ChatGLM2's fused one, as transformers' Glm,
    # or in whatever form transformers knows (None).
    weights: Literal["chatglm", "chatglm2", "glm"] | None = None
    # Which of the published tokenizers it has; None where transformers knows it.
    vocabulary: Literal["chatglm", "chatglm2", "chatglm3", "tiktoken"] | None = None
    prompt_form: PromptForm = CHAT_TEMPLATE
    clean: Clean = as_it_is  # of an answer without control tokens
    message_token: str | None = None  # with which a model begins another message in the same answer
    stop_tokens: tuple[str, ...] = ()  # beside those that config and generation config name
    sampling: GenerationParams | None = None  # None: as the folder's generation config says
    lora_targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    layer_names: LayerNames = TODAYS_NAMES
    window: int | None = None  # tokens, where the config names none
    rope_ratio_divides: bool = False  # a config's rope_ratio divides the positions; else it scales the base
    may_quantize: bool = False  # on load, in ChatGLM's own layout

    @property
    def is_original(self) -> bool:
        """Whether its folders are in the form of 2023, which transformers cannot load."""
        return self.weights in ("chatglm", "chatglm2")


def find_family(config: Mapping[str, Any], folder: Path | None = None) -> Family:
    """The family of a model by its config, and by the names in its folder where the config leaves it open."""
    return next(family for family in FAMILIES if family.recognise(config, folder))


def named_family(config: Mapping[str, Any], folder: Path | None = None) -> Family | None:
    """The same where it is certain; None where ChatGLM2 is only what is left over."""
    family = find_family(config, folder)
    return None if family.name == "chatglm2" and not _version_in_names(config, folder) else family


def _of_type(*model_types: str) -> Recognise:
    return lambda config, folder: config.get("model_type") in model_types


def _is_chatglm(config: Mapping[str, Any], folder: Path | None) -> bool:
    original = config.get("model_type") == "chatglm" and "inner_hidden_size" in config
    return original or config.get("model_type") == "glmcore_chatglm"


def _is_fused(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") == "chatglm" and "padded_vocab_size" in config


def _is_glm4(config: Mapping[str, Any], folder: Path | None) -> bool:
    """GLM-4-9B stops at its role tokens, so its config lists several ends."""
    if not _is_fused(config):
        return False
    told = _version_in_names(config, folder)
    return told == "glm4" if told else isinstance(config.get("eos_token_id"), list)


def _is_chatglm3(config: Mapping[str, Any], folder: Path | None) -> bool:
    """ChatGLM2 and 3 have one architecture; names tell them apart, then the role tokens."""
    if not _is_fused(config):
        return False
    told = _version_in_names(config, folder)
    return told == "chatglm3" if told else "<|user|>" in _tokenizer_config(folder)


def _version_in_names(config: Mapping[str, Any], folder: Path | None) -> str:
    """Which of "chatglm2", "chatglm3", "glm4" a folder's names tell, the closest name first; else empty."""
    try:
        tokenizer_name = json.loads(_tokenizer_config(folder) or "{}").get("name_or_path", "")
    except (ValueError, AttributeError, RecursionError):
        tokenizer_name = ""
    for name in (config.get("_name_or_path"), tokenizer_name, folder and folder.name):
        if isinstance(name, str) and (found := VERSION.search(name.lower())):
            return found[0].replace("-", "")
    return ""


def _tokenizer_config(folder: Path | None) -> str:
    try:
        return (folder / "tokenizer_config.json").read_text(encoding="utf-8") if folder else ""
    except (OSError, UnicodeDecodeError):
        return ""


LATER_SAMPLING = GenerationParams(temperature=0.8, top_p=0.8, max_new_tokens=1024)  # since ChatGLM2

FAMILIES: tuple[Family, ...] = (
    Family(
        name="chatglm",
        title="ChatGLM-6B",
        recognise=_is_chatglm,
        weights="chatglm",
        vocabulary="chatglm",
        prompt_form=Rounds(first=0, gap="\n", single_is_bare=True),
        clean=clean_chatglm,
        sampling=GenerationParams(temperature=0.95, top_p=0.7, max_new_tokens=1024),
        lora_targets=("query_key_value",),
        layer_names=LayerNames(
            embedding="transformer.word_embeddings",
            layers="transformer.layers",
            norm="transformer.final_layernorm",
            beside_embedding=("transformer.rotary_emb",),
        ),
        window=2048,
        may_quantize=True,
    ),
    Family(
        name="glm-4-9b",
        title="GLM-4-9B",
        recognise=_is_glm4,
        weights="chatglm2",
        vocabulary="tiktoken",
        prompt_form=RoleTokens(opening=("[gMASK]", "<sop>")),
        clean=clean_chatglm2,
        message_token="<|assistant|>",
        stop_tokens=("<|endoftext|>", "<|user|>", "<|observation|>"),
        sampling=LATER_SAMPLING,
        window=131072,
        may_quantize=True,
    ),
    Family(
        name="chatglm3",
        title="ChatGLM3-6B",
        recognise=_is_chatglm3,
        weights="chatglm2",
        vocabulary="chatglm3",
        prompt_form=RoleTokens(opening=("[gMASK]", "sop")),
        clean=clean_chatglm2,
        message_token="<|assistant|>",
        stop_tokens=("<|user|>", "<|observation|>"),
        sampling=LATER_SAMPLING,
        window=8192,
        may_quantize=True,
    ),
    Family(
        name="chatglm2",
        title="ChatGLM2-6B",
        recognise=lambda config, folder: _is_fused(config),
        weights="chatglm2",
        vocabulary="chatglm2",
        prompt_form=Rounds(first=1, gap="\n\n", single_is_bare=False),
        clean=clean_chatglm2,
        sampling=LATER_SAMPLING,
        window=32768,
        rope_ratio_divides=True,
        may_quantize=True,
    ),
    Family(
        name="glm",
        title="GLM-4 (2024)",
        recognise=_of_type("glm"),
        weights="glm",
        clean=clean_chatglm2,
        message_token="<|assistant|>",
        may_quantize=True,
    ),
    Family(
        name="glm4",
        title="GLM-4 (2025)",
        recognise=_of_type("glm4"),
        clean=clean_chatglm2,
        message_token="<|assistant|>",
    ),
    Family(name="glm4_moe", title="GLM-4.5", recognise=_of_type("glm4_moe", "glm4_moe_lite", "glm_moe_dsa")),
    Family(name="llama", title="Llama", recognise=_of_type("llama", "mistral", "smollm3")),
    Family(name="qwen", title="Qwen", recognise=_of_type("qwen2", "qwen3", "qwen2_moe", "qwen3_moe")),
    Family(
        name="other",
        title="Hugging Face",
        recognise=lambda config, folder: True,
        lora_targets=("all-linear",),
    ),
)
UNKNOWN_FAMILY = FAMILIES[-1]  # of what no other recognises
