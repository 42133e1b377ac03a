"""ChatGLM2's and ChatGLM3's SentencePiece vocabulary as an ordinary fast tokenizer, for a converted folder.

The saved `tokenizer.json` needs none of our code and gives the ids that SentencePiece gives. Control tokens
are read from text only under the names that the chat template writes, and none with
`split_special_tokens=True`. Where the published name is a word or a tag that people write, the token is
called otherwise: "sop" is part of "philosophy", and "</s>" is HTML.

Two things differ. Where two cuts of a text have the same score in a unigram vocabulary, which happens in long
runs of spaces, SentencePiece decides by the rounding of its sums; BPE, the published form, has no such case.
And a run of byte pieces that ends inside a character is decoded to U+FFFD as a whole.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from glmcore.core.errors import ModelLoadError

Form = Literal["chatglm2", "chatglm3"]

END, PAD = "<|endoftext|>", "<|pad|>"  # pieces "</s>" and "<unk>" of the file
MARKS = ("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>")
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
PROMPT_START = ("[gMASK]", "<sop>")
CONTROLS: dict[Form, tuple[str, ...]] = {"chatglm2": MARKS, "chatglm3": (*MARKS, *ROLES)}

CHAT_TEMPLATES: dict[Form, str] = {
    "chatglm2": (
        "[gMASK]<sop>{% set ns = namespace(round=0, system='') %}{% for message in messages %}"
        "{% if message.role == 'system' %}{% set ns.system = ns.system + message.content + '\\n\\n' %}"
        "{% elif message.role == 'user' %}{% set ns.round = ns.round + 1 %}"
        "{{ '[Round ' ~ ns.round ~ ']\\n\\n问：' ~ ns.system ~ message.content ~ '\\n\\n答：' }}"
        "{% set ns.system = '' %}{% else %}{{ message.content ~ '\\n\\n' }}{% endif %}{% endfor %}"
    ),
    # The model learned line and content as two texts, each with SentencePiece's space in front.
    "chatglm3": (
        "[gMASK]<sop>{% for message in messages %}"
        "{{ '<|' ~ message.role ~ '|>\\n' ~ (' ' ~ message.content if message.content else '') }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
}
# Score of a piece that only byte fallback and ids may use: below any sum of real pieces of its length.
NEVER = -1e4


def fast_tokenizer_of(folder: Path, form: Form) -> PreTrainedTokenizerFast:
    """Build the tokenizer of a published ChatGLM2 or ChatGLM3 folder from its `tokenizer.model`.

    Raises:
        ModelLoadError: the file is missing, damaged, or asks for what a fast tokenizer cannot do exactly.
    """
    path = folder / "tokenizer.model"
    file = _read_file(path)
    names = _token_names(path, file, form)
    tokenizer = Tokenizer(_build_model(file, names))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    if loose := _loose_characters(file, names):
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(map(re.escape, loose))), "isolated")
    tokenizer.decoder = _build_decoder(file, form)
    # Names that no template writes stay out of text; they are reached by id.
    read_in_text = [
        name for name in (END, PAD, *CONTROLS[form]) if name not in ("[MASK]", "[sMASK]", "<eop>")
    ]
    return wrap_prompt_tokenizer(tokenizer, read_in_text, END, PAD, CHAT_TEMPLATES[form])


def wrap_prompt_tokenizer(
    tokenizer: Tokenizer, controls: Sequence[str], end: str, pad: str, chat_template: str
) -> PreTrainedTokenizerFast:
    """Let a text start with `[gMASK]<sop>`, and make the tokenizer one of transformers."""
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in controls])
    start = " ".join(PROMPT_START)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A",
        pair=f"{start} $A $B:0 {end}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (*PROMPT_START, end)],
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        pad_token=pad,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
    wrapped.chat_template = chat_template
    return wrapped


def merges_by_rank(ranked: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs whose joining gives a token, best token first.

    A token that can be cut in several ways gets all its pairs. Two of them never compete for the same place:
    what lies inside a token was joined in one order only.
    """
    known = set(ranked)
    return [
        (token[:cut], token[cut:])
        for token in ranked
        for cut in range(1, len(token))
        if token[:cut] in known and token[cut:] in known
    ]


def _read_file(path: Path) -> ModelProto:
    """The vocabulary with its settings, after SentencePiece itself has found it sound."""
    try:
        content = path.read_bytes()
        SentencePieceProcessor().LoadFromSerializedProto(content)
    except OSError as fault:
        raise ModelLoadError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror) from fault
    except RuntimeError as fault:
        raise ModelLoadError(
            "{path} is not a SentencePiece vocabulary, or is damaged; copy it again from where the model "
            "came from.",
            path=path,
        ) from fault
    file = ModelProto.FromString(content)
    if unusual := _unusual_settings(file):
        raise ModelLoadError(
            "{path} has {settings}, which a tokenizer.json cannot do in exactly the same way; "
            "use this model without converting it.",
            path=path,
            settings=", ".join(unusual),
        )
    return file


def _unusual_settings(file: ModelProto) -> list[str]:
    """What the published vocabularies do not have, under SentencePiece's own names."""
    normalizer, trainer = file.normalizer_spec, file.trainer_spec
    expected = {
        "add_dummy_prefix": (normalizer.add_dummy_prefix, True),
        "remove_extra_whitespaces": (normalizer.remove_extra_whitespaces, False),
        "escape_whitespaces": (normalizer.escape_whitespaces, True),
        "precompiled_charsmap": (bool(normalizer.precompiled_charsmap), False),
        "denormalizer_spec": (bool(file.denormalizer_spec.precompiled_charsmap), False),
        "treat_whitespace_as_suffix": (trainer.treat_whitespace_as_suffix, False),
        "byte_fallback": (trainer.byte_fallback, True),
        "unk_id": (trainer.unk_id, 0),
        "eos_id": (trainer.eos_id, 2),
    }
    unusual = [f"{name}={found}" for name, (found, wanted) in expected.items() if found != wanted]
    if trainer.model_type not in (trainer.UNIGRAM, trainer.BPE):
        unusual.append(f"model_type={trainer.ModelType.Name(trainer.model_type)}")
    kinds = {piece.type for piece in file.pieces}
    pieces = file.SentencePiece
    unusual += [f"type={pieces.Type.Name(kind)}" for kind in kinds & {pieces.USER_DEFINED, pieces.UNUSED}]
    return unusual


def _is_normal(piece: ModelProto.SentencePiece) -> bool:
    return bool(piece.type == piece.NORMAL)


def _token_names(path: Path, file: ModelProto, form: Form) -> list[str]:
    """The name of every token by its id: the pieces, then the form's control tokens."""
    names = [piece.piece for piece in file.pieces]
    names[file.trainer_spec.eos_id] = END
    names[file.trainer_spec.unk_id] = PAD
    names += CONTROLS[form]
    if len(set(names)) < len(names):
        raise ModelLoadError(
            "{path} has {piece} as an ordinary piece, and the model family has a control token of this name; "
            "use this model without converting it.",
            path=path,
            piece=Counter(names).most_common(1)[0][0],
        )
    return names


def _build_model(file: ModelProto, names: list[str]) -> models.Model:
    if file.trainer_spec.model_type == file.trainer_spec.BPE:
        normal = sorted(filter(_is_normal, file.pieces), key=lambda piece: -piece.score)
        merges = merges_by_rank([piece.piece for piece in normal])
        return models.BPE({name: index for index, name in enumerate(names)}, merges, byte_fallback=True)
    scores = [piece.score if _is_normal(piece) else NEVER for piece in file.pieces]
    scores += [NEVER] * (len(names) - len(scores))
    unknown = file.trainer_spec.unk_id
    return models.Unigram(list(zip(names, scores, strict=True)), unk_id=unknown, byte_fallback=True)


def _loose_characters(file: ModelProto, names: list[str]) -> list[str]:
    """Characters of control names that no piece of a unigram vocabulary has; to be cut out of the text.

    Written by a person, the name of a control token or of a byte must come out as its characters. One that
    the vocabulary lacks would cost more than the whole name, so the name would win; no piece reaches over it,
    and cutting there changes nothing else.
    """
    if file.trainer_spec.model_type == file.trainer_spec.BPE:  # nothing merges into such a name
        return []
    ordinary = {piece.piece for piece in file.pieces if _is_normal(piece)}
    return sorted(set("".join(set(names) - ordinary)) - set("".join(ordinary)))


def _build_decoder(file: ModelProto, form: Form) -> decoders.Decoder:
    """Text as the published tokenizers print it: ChatGLM2's without control tokens, ChatGLM3's with marks."""
    silent = {END, PAD, *(piece.piece for piece in file.pieces if piece.type == piece.CONTROL)}
    if form == "chatglm2":
        silent |= set(MARKS)
    return decoders.Sequence(
        [
            decoders.Replace(Regex(f"^(?:{'|'.join(map(re.escape, sorted(silent)))})$"), ""),
            decoders.Replace("<sop>", "sop"),
            decoders.Replace("<eop>", "eop"),
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
