"""ChatGLM's SentencePiece tokenizers: ids exactly as SentencePiece gives them, special tokens as published.

`text_ids` is for text that people and models wrote: no control token ever comes out of it. Calling a
tokenizer puts the family's control tokens around, as its models expect.
"""

import shutil
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer, PreTrainedTokenizer

from glmcore.core.errors import ModelLoadError
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.tokenizers.fast import fast_tokenizer_of

LONGEST_BLANK = 80  # runs of up to so many spaces are one token of ChatGLM-6B


class _SentencePieceTokenizer(PreTrainedTokenizer):
    """What the three have in common. `_offset` is the id of the first piece."""

    model_input_names: ClassVar[list[str]] = ["input_ids", "attention_mask"]
    _offset = 0

    def __init__(self, vocab_file: str | Path, **options: Any) -> None:
        self.vocab_file = str(vocab_file)
        self.sp_model = _read_model(Path(vocab_file))
        super().__init__(padding_side=options.pop("padding_side", "left"), **options)

    @property
    def vocab_size(self) -> int:
        return self._offset + self.sp_model.vocab_size()

    def get_vocab(self) -> dict[str, int]:
        pieces = {self.sp_model.id_to_piece(i): i + self._offset for i in range(self.sp_model.vocab_size())}
        return pieces | self._added_tokens_encoder

    def text_ids(self, text: str) -> list[int]:
        """The ids of plain text, without control tokens."""
        return [piece + self._offset for piece in self.sp_model.encode(text)]

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        target = Path(save_directory) / f"{filename_prefix or ''}{self.vocab_files_names['vocab_file']}"
        if target.resolve() != Path(self.vocab_file).resolve():
            shutil.copyfile(self.vocab_file, target)
        return (str(target),)

    def _decode_ids(self, token_ids: int | Sequence[int], skip_special_tokens: bool) -> str:
        """The text; control tokens have none."""
        raise NotImplementedError

    def _decode(
        self,
        token_ids: int | Sequence[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> str:
        text = self._decode_ids(token_ids, skip_special_tokens)
        # As in 2023, no space is left before punctuation unless it is asked for.
        return text if clean_up_tokenization_spaces is False else self.clean_up_tokenization(text)

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return [self._convert_id_to_token(token) for token in self.text_ids(text)]

    def _convert_token_to_id(self, token: str) -> int:
        return self.sp_model.piece_to_id(token) + self._offset

    def _convert_id_to_token(self, index: int) -> str:
        piece = index - self._offset
        return self.sp_model.id_to_piece(piece) if 0 <= piece < self.sp_model.vocab_size() else ""


class ChatGLMTokenizer(_SentencePieceTokenizer):
    """ChatGLM-6B: text, then `[gMASK] <sop>`; of a pair also the answer and `<eop>`.

    The vocabularies of before April 2023 start with 20,000 image tokens, which shift every other id.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": "ice_text.model"}

    def __init__(self, vocab_file: str | Path, num_image_tokens: int = 0, **options: Any) -> None:
        self._offset = num_image_tokens
        special = {
            "unk_token": "<unk>",
            "bos_token": "<sop>",
            "eos_token": "<eop>",
            "pad_token": "<pad>",
            "mask_token": "[MASK]",
        }
        super().__init__(vocab_file, num_image_tokens=num_image_tokens, **(special | options))

    def text_ids(self, text: str) -> list[int]:
        text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
        for length in range(LONGEST_BLANK, 1, -1):
            text = text.replace(" " * length, _blank(length))
        return super().text_ids(text)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        ids = [*token_ids_0, self.convert_tokens_to_ids("[gMASK]"), self.bos_token_id]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def _convert_token_to_id(self, token: str) -> int:
        if token.startswith("<image_") and token.endswith(">"):
            return int(token.removeprefix("<image_").removesuffix(">"))
        return super()._convert_token_to_id(token)

    def _convert_id_to_token(self, index: int) -> str:
        if index >= self.vocab_size:  # of the rows that only pad the embedding
            return ""
        return f"<image_{index}>" if 0 <= index < self._offset else super()._convert_id_to_token(index)

    def _decode_ids(self, token_ids: int | Sequence[int], skip_special_tokens: bool) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        hidden = set(self.all_special_ids) if skip_special_tokens else ()
        ids = [token for token in ids if token >= 0 and token not in hidden]
        return "".join(
            "".join(f"<image_{token}>" for token in run) if is_image else self._text(list(run))
            for is_image, run in groupby(ids, key=lambda token: token < self._offset)
        )

    def _text(self, ids: list[int]) -> str:
        last = self.sp_model.vocab_size()
        text = self.sp_model.decode([token - self._offset for token in ids if token - self._offset < last])
        text = text.replace("<n>", "\n").replace("<|tab|>", "\t")
        for length in range(2, LONGEST_BLANK + 1):
            text = text.replace(_blank(length), " " * length)
        return text


class ChatGLM2Tokenizer(_SentencePieceTokenizer):
    """ChatGLM2-6B: `[gMASK] sop`, then text. Control tokens are numbered after the pieces."""

    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": "tokenizer.model"}
    control_tokens: tuple[str, ...] = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop")
    shows_control_tokens = False

    def __init__(self, vocab_file: str | Path, **options: Any) -> None:
        first = _read_model(Path(vocab_file)).vocab_size()
        self._control_ids = {name: first + index for index, name in enumerate(self.control_tokens)}
        special = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<unk>"}
        # Published without control tokens that text could name, so none is looked for in text.
        super().__init__(vocab_file, **({"split_special_tokens": True} | special | options))

    @property
    def vocab_size(self) -> int:
        return super().vocab_size + len(self._control_ids)

    def get_vocab(self) -> dict[str, int]:
        return super().get_vocab() | self._control_ids

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> tuple[str, ...]:
        """Saved as a `tokenizer.json`, which needs no code of ours to be read.

        Raises:
            ModelLoadError: the vocabulary has settings that such a file cannot have.
        """
        folder = Path(self.vocab_file).parent
        fast = fast_tokenizer_of(folder, "chatglm3" if self.shows_control_tokens else "chatglm2")
        return tuple(fast.save_pretrained(save_directory, **options))

    def control_id(self, name: str) -> int:
        return self._control_ids[name]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        ids = [self.control_id("[gMASK]"), self.control_id("sop"), *token_ids_0]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def _convert_token_to_id(self, token: str) -> int:
        return self._control_ids.get(token) or super()._convert_token_to_id(token)

    def _convert_id_to_token(self, index: int) -> str:
        """The piece; nothing for what has no text."""
        if not 0 <= index < self.sp_model.vocab_size():
            name = next((name for name, token in self._control_ids.items() if token == index), "")
            return name if self.shows_control_tokens else ""
        has_text = not self.sp_model.is_control(index) and index != self.sp_model.unk_id()
        return super()._convert_id_to_token(index) if has_text else ""

    def _decode_ids(self, token_ids: int | Sequence[int], skip_special_tokens: bool) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        if skip_special_tokens:
            ids = [token for token in ids if token < self.sp_model.vocab_size()]
        return self.sp_model.decode_pieces([self._convert_id_to_token(token) for token in ids])


class ChatGLM3Tokenizer(ChatGLM2Tokenizer):
    """ChatGLM3-6B: the same with a token for each role."""

    control_tokens = (
        *ChatGLM2Tokenizer.control_tokens,
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|observation|>",
    )
    shows_control_tokens = True


def _blank(length: int) -> str:
    return f"<|blank_{length}|>"


def _read_model(path: Path) -> SentencePieceProcessor:
    try:
        return SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as fault:
        raise ModelLoadError(
            "{path} is not a SentencePiece vocabulary ({fault}); copy it from where the model came from.",
            path=path,
            fault=str(fault).splitlines()[0],
        ) from fault


AutoTokenizer.register(ChatGLMConfig, tokenizer_class=ChatGLMTokenizer)
