"""GLM-4's tiktoken vocabulary as a fast tokenizer, compared with the tiktoken package."""

import base64
import json

import pytest
import tiktoken
from transformers import AutoTokenizer

from glmcore.core.errors import ModelLoadError
from glmcore.models.tokenizers.tiktoken_file import CONTROLS, PATTERN, build_tiktoken_tokenizer

WORDS = [
    "the",
    "philosophy",
    "hello",
    "print",
    "return",
    "你好",
    "今天",
    "天气",
    "！",
    "12",
    "345",
    "    ",
    "\n\n  ",
    "==",
]
TEXTS = [
    "",
    "Hello world, it's the philosophy; WE'LL see, 'Tis.",
    "你好，今天天气很好！",
    "def main():\n    return 12345 == 0\t# 🙂👨‍👩‍👧\r\n\n\n",
    "   three before, trailing   ",
    "1234567890 ½ ٣٤٥ Ⅷ",
    "[gMASK]<sop><|user|>\nhi<|assistant|> <|endoftext|>",
    "\x00\x7f\ufffd\u3000\u00a0\u2028é é ﬀ",
]


def tokens_of(words):
    """All bytes in a shuffled order, then every beginning of every word with and without a space."""
    tokens = [bytes([byte * 7 % 256]) for byte in range(256)]
    for word in words:
        for text in (word.encode(), b" " + word.encode()):
            tokens += [text[:length] for length in range(2, len(text) + 1)]
    return list(dict.fromkeys(tokens))


TOKENS = tokens_of(WORDS)
LINES = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(TOKENS)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tokenizer.model").write_text("\n".join(reversed(LINES)))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 4096}))
    return tmp_path


@pytest.fixture
def saved(folder):
    build_tiktoken_tokenizer(folder).save_pretrained(folder / "saved")
    return AutoTokenizer.from_pretrained(folder / "saved")


def write_lines(folder, lines):
    (folder / "tokenizer.model").write_text("\n".join(lines))


def list_controls(folder, names_by_id):
    listed = {str(token_id): {"content": name, "special": True} for token_id, name in names_by_id.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": listed}))


def test_saved_tokenizer_gives_the_ids_of_tiktoken(saved):
    reference = tiktoken.Encoding(
        "glm",
        pat_str=PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(TOKENS)},
        special_tokens={},
    )
    for text in TEXTS:
        ids = saved(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ids == reference.encode_ordinary(text), text
        assert saved.decode(ids) == text


def test_control_tokens_follow_the_ranks(saved):
    first = len(TOKENS)
    assert saved.convert_tokens_to_ids(list(CONTROLS)) == list(range(first, first + 14))
    assert (saved.eos_token, saved.pad_token, saved.padding_side) == (
        "<|endoftext|>",
        "<|endoftext|>",
        "left",
    )
    assert saved.model_max_length == 4096


def test_text_and_prompt_start_with_gmask_and_sop(saved):
    start = saved.convert_tokens_to_ids(["[gMASK]", "<sop>"])
    plain = saved("hello", add_special_tokens=False)["input_ids"]
    assert saved("hello")["input_ids"] == start + plain
    prompt = saved.apply_chat_template(
        [{"role": "system", "content": "s"}, {"role": "user", "content": "hello"}], add_generation_prompt=True
    )["input_ids"]
    assert prompt[:2] == start
    text = "[gMASK]<sop><|system|>\ns<|user|>\nhello<|assistant|>"
    assert prompt == saved(text, add_special_tokens=False)["input_ids"]
    assert saved.decode(prompt) == text
    assert len(prompt) == len(start) + 3 + 2 + len("s") + len(plain)


def test_folders_own_list_of_control_tokens_comes_first(folder):
    names = {len(TOKENS) + index: name for index, name in enumerate(CONTROLS[:10])}
    del names[len(TOKENS) + 1]
    list_controls(folder, names | {len(TOKENS) + 12: "<|extra|>"})
    tokenizer = build_tiktoken_tokenizer(folder)
    assert tokenizer.convert_tokens_to_ids(["[gMASK]", "<|extra|>"]) == [len(TOKENS) + 2, len(TOKENS) + 12]
    assert "[MASK]" not in tokenizer.get_vocab()


def test_length_that_means_no_limit_is_not_taken(folder):
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    assert build_tiktoken_tokenizer(folder).model_max_length > 10**20


@pytest.mark.parametrize("damage", ["Ig==", "Ig== x", "Ig==ü 1", "not*base64 1", "Ig== 1 2", "Ig= 1"])
def test_damaged_line_is_named(folder, damage):
    write_lines(folder, [*LINES[:2], damage, *LINES[3:]])
    with pytest.raises(ModelLoadError, match=r"tokenizer\.model, line 3: found '"):
        build_tiktoken_tokenizer(folder)


@pytest.mark.parametrize("doubled", [LINES[0].split()[0] + " 999", "////AAAA 0"])
def test_token_or_rank_given_twice_is_named(folder, doubled):
    write_lines(folder, [*LINES, doubled])
    with pytest.raises(ModelLoadError, match=rf"line {len(LINES) + 1}: the rank or the token"):
        build_tiktoken_tokenizer(folder)


def test_missing_rank_or_byte_is_named(folder):
    write_lines(folder, LINES[:300] + LINES[301:])
    with pytest.raises(ModelLoadError, match="none of rank 300"):
        build_tiktoken_tokenizer(folder)
    write_lines(folder, LINES[:200])
    with pytest.raises(ModelLoadError, match="none for the byte 0x"):
        build_tiktoken_tokenizer(folder)


@pytest.mark.parametrize("content", [b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02", b"\xff\xfe\x00 1\n"])
def test_file_of_another_kind_is_refused(folder, content):
    (folder / "tokenizer.model").write_bytes(content)
    with pytest.raises(ModelLoadError, match="expected a token in base64 and its rank"):
        build_tiktoken_tokenizer(folder)


def test_missing_file_is_named(folder):
    (folder / "tokenizer.model").unlink()
    with pytest.raises(ModelLoadError, match=r"tokenizer\.model cannot be read"):
        build_tiktoken_tokenizer(folder)


@pytest.mark.parametrize(
    ("names", "said"),
    [({3: "<|endoftext|>"}, "lacks"), (dict(enumerate(CONTROLS)), "has the id 0")],
)
def test_list_of_control_tokens_that_cannot_be_is_refused(folder, names, said):
    list_controls(folder, names)
    with pytest.raises(ModelLoadError, match=f"added_tokens_decoder {said}"):
        build_tiktoken_tokenizer(folder)


def test_unreadable_list_of_control_tokens_is_refused(folder):
    (folder / "tokenizer_config.json").write_text('{"added_tokens_decoder": {"one": {"content": "x"}}}')
    with pytest.raises(ModelLoadError, match="added_tokens_decoder is not readable"):
        build_tiktoken_tokenizer(folder)
