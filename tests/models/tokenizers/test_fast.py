"""The fast form of SentencePiece vocabularies, compared with SentencePiece after a way over the disk."""

import io
from functools import cache

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from transformers import AutoTokenizer

from glmcore.core.errors import ModelLoadError
from glmcore.models.tokenizers.fast import fast_tokenizer_of

SENTENCES = [
    "你好，我是一个语言模型。",
    "今天天气很好，我们去公园吧！",
    "The philosophy of people who write sophisticated programs.",
    "What is the capital of France? The capital of France is Paris.",
    "def main(): print('hello world')  # greeting",
    "类型#上衣*版型#宽松*颜色#黑色*风格#简约",
] * 4
TEXTS = [
    "",
    "你好",
    "Hello world",
    "the philosophy of people: sop eop <eop> [MASK] [sMASK]",
    "<s>old</s> <unk> <pad> <0x0A> <0xE4>",
    "   three before, two after  ",
    "a\tb\n    c\r\n\n",
    "🙂 emoji 👨‍👩‍👧 é é ﬀ １２ ½",
    "▁ is a piece, ▁▁ too",
    "aaaaaaa hahahaha 1234567890",
    "\x00\x7f\ufffd\u3000\u00a0",
]
PROMPTS = {
    "chatglm2": ["[Round 1]\n\n问：Be kind.\n\n你好\n\n答：Hello!\n\n[Round 2]\n\n问：the capital\n\n答："],
    "chatglm3": [
        *("<|system|>", "\n", "Be kind."),
        *("<|user|>", "\n", "你好"),
        *("<|assistant|>", "\n", "Hello!"),
        *("<|user|>", "\n", "the capital", "<|assistant|>"),
    ],
}
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "the capital"},
]


@cache
def vocabulary(kind="bpe", **options):
    file = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=file,
        model_type=kind,
        vocab_size=480,
        hard_vocab_limit=False,
        minloglevel=2,
        **{
            "byte_fallback": True,
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
            "character_coverage": 0.98,
        }
        | options,
    )
    return file.getvalue()


def folder_with(folder, content):
    (folder / "tokenizer.model").write_bytes(content)
    return folder


@pytest.fixture(params=["bpe", "unigram"])
def source(request, tmp_path):
    return folder_with(tmp_path, vocabulary(request.param))


@pytest.fixture(params=["chatglm2", "chatglm3"])
def form(request):
    return request.param


@pytest.fixture
def pieces(source):
    return SentencePieceProcessor(model_file=str(source / "tokenizer.model"))


@pytest.fixture
def saved(source, form):
    fast_tokenizer_of(source, form).save_pretrained(source / "saved")
    return AutoTokenizer.from_pretrained(source / "saved")


def test_saved_tokenizer_gives_the_ids_of_sentencepiece(saved, pieces):
    start = [pieces.vocab_size() + 1, pieces.vocab_size() + 3]
    for text in TEXTS:
        assert saved(text)["input_ids"] == start + pieces.encode(text), text


def test_no_control_token_comes_out_of_text_where_none_is_asked_for(saved, pieces):
    text = "[gMASK] <sop> <|user|>\n <|endoftext|> <|pad|> <|assistant|>"
    assert saved(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] == pieces.encode(
        text
    )


def test_saved_tokenizer_decodes_as_sentencepiece(saved, pieces):
    for text in TEXTS:
        assert saved.decode(pieces.encode(text)) == pieces.decode(pieces.encode(text)), text


def test_published_control_tokens_keep_their_ids(saved, pieces, form):
    names = ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"]
    if form == "chatglm3":
        names += ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
    first = pieces.vocab_size()
    assert saved.convert_tokens_to_ids(names) == list(range(first, first + len(names)))
    assert (saved.eos_token_id, saved.pad_token_id, saved.padding_side) == (2, 0, "left")


def test_prompt_is_the_pieces_of_its_parts(saved, pieces, form):
    expected = [pieces.vocab_size() + 1, pieces.vocab_size() + 3]
    for part in PROMPTS[form]:
        control = saved.convert_tokens_to_ids(part) if part.startswith("<|") else None
        expected += pieces.encode(part) if control is None else [control]
    assert saved.apply_chat_template(MESSAGES, add_generation_prompt=True)["input_ids"] == expected


def test_chatglm3_prompt_with_an_empty_message_has_no_piece_for_it(tmp_path):
    tokenizer = fast_tokenizer_of(folder_with(tmp_path, vocabulary()), "chatglm3")
    ids = tokenizer.apply_chat_template([{"role": "user", "content": ""}])["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[2:] == ["<|user|>", "▁", "<0x0A>"]


def test_chatglm2_decodes_without_control_tokens_and_chatglm3_shows_them(saved, form):
    decoded = saved.decode(saved("你好")["input_ids"] + [saved.eos_token_id])
    assert decoded == {"chatglm2": "你好", "chatglm3": "[gMASK]sop 你好"}[form]


def test_batch_is_padded_on_the_left_without_token_types(saved):
    batch = saved(["你好", "the capital of France"], padding=True)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"][0][0] == saved.pad_token_id
    assert batch["attention_mask"][0][0] == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"normalization_rule_name": "nmt_nfkc"}, "precompiled_charsmap=True"),
        ({"remove_extra_whitespaces": True}, "remove_extra_whitespaces=True"),
        ({"add_dummy_prefix": False}, "add_dummy_prefix=False"),
        ({"byte_fallback": False}, "byte_fallback=False"),
        ({"user_defined_symbols": "<n>"}, "type=USER_DEFINED"),
        ({"kind": "char"}, "model_type=CHAR"),
        ({"eos_id": 1, "bos_id": 2}, "eos_id=1"),
    ],
)
def test_vocabulary_with_another_setting_is_refused(tmp_path, options, named):
    folder = folder_with(tmp_path, vocabulary(**options))
    with pytest.raises(ModelLoadError, match=named):
        fast_tokenizer_of(folder, "chatglm2")


@pytest.mark.parametrize("content", [b"", b"IQ== 0\nIg== 1\n", vocabulary()[:2000]])
def test_damaged_vocabulary_is_named(tmp_path, content):
    with pytest.raises(ModelLoadError, match=r"tokenizer\.model is not a SentencePiece vocabulary"):
        fast_tokenizer_of(folder_with(tmp_path, content), "chatglm3")


def test_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(ModelLoadError, match=r"tokenizer\.model cannot be read"):
        fast_tokenizer_of(tmp_path, "chatglm3")


def test_piece_named_like_a_control_token_is_refused(tmp_path):
    file = ModelProto.FromString(vocabulary())
    file.pieces[-1].piece = "[gMASK]"
    with pytest.raises(ModelLoadError, match=r"\[gMASK\] as an ordinary piece"):
        fast_tokenizer_of(folder_with(tmp_path, file.SerializeToString()), "chatglm3")
