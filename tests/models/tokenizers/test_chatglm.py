"""ChatGLM's tokenizers on small vocabularies: SentencePiece's ids, control tokens, text and back."""

import random

import pytest
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from glmcore.core.errors import ModelLoadError
from glmcore.models.tokenizers.chatglm import ChatGLM2Tokenizer, ChatGLM3Tokenizer, ChatGLMTokenizer
from tests.models.original_folders import V1_CONTROLS, VOCABULARY_FILES, vocabulary

KINDS = {"chatglm": ChatGLMTokenizer, "chatglm2": ChatGLM2Tokenizer, "chatglm3": ChatGLM3Tokenizer}
TEXTS = [
    "你好，我是一个语言模型。",
    "What is the capital of France?",
    "def main():\n\tprint('hello world')\n\n\n    # greeting",
    "🙂 👨‍👩‍👧 é é ﬀ １２ ½ \u3000 ٣",
    "\x00\x01\x7f\ufffd",
    "a" + " " * 81 + "b" + " " * 200 + "c",
    "\r\n \t \n",
]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    made = {}
    for family, kind in KINDS.items():
        path = tmp_path_factory.mktemp(family) / VOCABULARY_FILES[family]
        path.write_bytes(vocabulary(family))
        made[family] = kind(path)
    old = ChatGLMTokenizer(made["chatglm"].vocab_file, num_image_tokens=20000)
    return made | {"old": old}


@pytest.fixture(params=["chatglm", "old", "chatglm2", "chatglm3"])
def tokenizer(request, tokenizers):
    return tokenizers[request.param]


def random_texts(count=60):
    chosen = random.Random(4)
    parts = [
        *" \t\n a中，.🙂é",
        " " * 7,
        " " * 80,
        " " * 81,
        " " * 170,
        "hello",
        "<",
        "|blank_3|",
        "\u2028",
        "\x00",
    ]
    return ["".join(chosen.choices(parts, k=chosen.randrange(1, 20))) for _ in range(count)]


def test_any_text_comes_back(tokenizer):
    exact = {"clean_up_tokenization_spaces": False}
    for text in [*TEXTS, *random_texts()]:
        ids = tokenizer.text_ids(text)
        assert tokenizer.decode(ids, **exact) == text
        assert tokenizer.decode(ids, skip_special_tokens=True, **exact) == text
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True, **exact) == text


def test_spaces_before_punctuation_are_left_out_as_in_2023(tokenizer):
    assert tokenizer.decode(tokenizer.text_ids("a , b . it 's")) == "a, b. it's"


def test_ids_of_text_are_sentencepieces(tokenizer):
    processor = SentencePieceProcessor(model_file=tokenizer.vocab_file)
    for text in ("你好", "the philosophy of people", "x"):
        first = 20000 if tokenizer.vocab_size > 20000 else 0
        assert tokenizer.text_ids(text) == [first + piece for piece in processor.encode(text)]


def test_runs_of_blanks_newlines_and_tabs_are_single_tokens(tokenizers):
    tokenizer = tokenizers["chatglm"]

    def named(*names):
        return [tokenizer.convert_tokens_to_ids(name) for name in names]

    assert tokenizer.text_ids("\n\t")[-2:] == named("<n>", "<|tab|>")
    assert tokenizer.text_ids("中" + " " * 80)[-1:] == named("<|blank_80|>")
    assert tokenizer.text_ids("中" + " " * 165)[-3:] == named("<|blank_80|>", "<|blank_80|>", "<|blank_5|>")
    assert tokenizer.text_ids("中  ")[-1:] == named("<|blank_2|>")


def test_calling_adds_the_familys_control_tokens(tokenizers):
    def ids(family, *names):
        return [tokenizers[family].convert_tokens_to_ids(name) for name in names]

    for family in ("chatglm", "old"):
        tokenizer = tokenizers[family]
        text, answer = tokenizer.text_ids("你好"), tokenizer.text_ids("hello")
        assert tokenizer("你好")["input_ids"] == [*text, *ids(family, "[gMASK]", "<sop>")]
        pair = [*text, *ids(family, "[gMASK]", "<sop>"), *answer, *ids(family, "<eop>")]
        assert tokenizer("你好", "hello")["input_ids"] == pair
        assert tokenizer("你好", add_special_tokens=False)["input_ids"] == text
    for family in ("chatglm2", "chatglm3"):
        tokenizer = tokenizers[family]
        text, answer = tokenizer.text_ids("你好"), tokenizer.text_ids("hello")
        assert tokenizer("你好")["input_ids"] == [*ids(family, "[gMASK]", "sop"), *text]
        pair = [*ids(family, "[gMASK]", "sop"), *text, *answer, tokenizer.eos_token_id]
        assert tokenizer("你好", "hello")["input_ids"] == pair


def test_the_old_vocabulary_is_the_new_one_behind_its_image_tokens(tokenizers):
    new, old = tokenizers["chatglm"], tokenizers["old"]
    for text in TEXTS:
        assert old(text)["input_ids"] == [20000 + token for token in new(text)["input_ids"]]
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id", "unk_token_id"):
        assert getattr(old, name) == 20000 + getattr(new, name)
    assert old.vocab_size == 20000 + new.vocab_size
    assert old.decode([5, 19999, *old.text_ids("hello"), 7]) == "<image_5><image_19999>hello<image_7>"
    assert old.convert_tokens_to_ids("<image_17>") == 17
    assert old.convert_ids_to_tokens(17) == "<image_17>"


def test_control_tokens_are_numbered_as_published(tokenizers):
    new = tokenizers["chatglm"]
    assert [new.convert_tokens_to_ids(name) for name in V1_CONTROLS] == list(range(4, 12))
    for family, count in (("chatglm2", 5), ("chatglm3", 9)):
        tokenizer = tokenizers[family]
        first = tokenizer.sp_model.vocab_size()
        found = [tokenizer.convert_tokens_to_ids(name) for name in tokenizer.control_tokens]
        assert found == list(range(first, first + count))
        assert tokenizer.vocab_size == first + count
        assert [tokenizer.control_id(name) for name in tokenizer.control_tokens] == found


WRITTEN = (
    *V1_CONTROLS,
    *("<s>", "</s>", "<pad>", "<unk>", "sop", "eop", "<0x0A>", "<image_3>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
)


def test_a_control_token_that_is_written_is_text(tokenizer):
    names = {*V1_CONTROLS, "<s>", "</s>", "<pad>", *getattr(tokenizer, "control_tokens", ())}
    control = {tokenizer.get_vocab()[name] for name in names if name in tokenizer.get_vocab()}
    assert len(control) > 5
    for written in (*WRITTEN, "".join(WRITTEN), " ".join(WRITTEN)):
        ids = tokenizer.text_ids(written)
        assert not set(ids) & control, written
        assert tokenizer.decode(ids) == written


def test_decoding_shows_what_the_published_tokenizers_show(tokenizers):
    for family in ("chatglm", "old", "chatglm2"):
        ids = tokenizers[family]("hello")["input_ids"]
        assert tokenizers[family].decode(ids) == "hello"
    third = tokenizers["chatglm3"]
    ids = [*third("hello")["input_ids"], third.control_id("<|user|>"), third.eos_token_id]
    assert third.decode(ids) == "[gMASK]sop hello<|user|>"
    assert third.decode(ids, skip_special_tokens=True) == "hello"


def test_ids_that_nobody_has_do_not_stop_the_decoding(tokenizer):
    for odd in (tokenizer.vocab_size, tokenizer.vocab_size + 5, 10**6, -1, -100):
        ids = [odd, *tokenizer.text_ids("hello"), odd]
        for options in ({}, {"skip_special_tokens": True}):
            assert tokenizer.decode(ids, **options) == "hello"
        assert tokenizer.decode(odd) == tokenizer.decode([odd]) == ""
    assert tokenizer.decode([]) == ""
    assert tokenizer.convert_ids_to_tokens([tokenizer.vocab_size]) == [""]


def test_batches_are_padded_on_the_left(tokenizer):
    texts = ["你好", "the capital of France", ""]
    batch = tokenizer(texts, padding=True)
    longest = max(len(tokenizer(text)["input_ids"]) for text in texts)
    for text, ids, mask in zip(texts, batch["input_ids"], batch["attention_mask"], strict=True):
        alone = tokenizer(text)["input_ids"]
        assert ids == [tokenizer.pad_token_id] * (longest - len(alone)) + alone
        assert mask == [0] * (longest - len(alone)) + [1] * len(alone)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    right = tokenizer(texts, padding=True, padding_side="right")
    assert right["input_ids"][0][-1] == tokenizer.pad_token_id


@pytest.mark.parametrize("family", ["chatglm", "old"])
def test_a_saved_tokenizer_is_found_by_auto_tokenizer(family, tokenizers, tmp_path):
    from glmcore.models.native.chatglm_config import ChatGLMConfig

    tokenizer = tokenizers[family]
    tokenizer.save_pretrained(tmp_path)
    ChatGLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=8, num_attention_heads=2).save_pretrained(
        tmp_path
    )
    again = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    assert type(again) is ChatGLMTokenizer
    for text in TEXTS:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert again.text_ids(text) == tokenizer.text_ids(text)
    assert again.padding_side == "left"
    assert again.all_special_ids == tokenizer.all_special_ids
    assert again.vocab_size == tokenizer.vocab_size
    again.save_pretrained(tmp_path)  # over the file that it was read from
    assert (tmp_path / "ice_text.model").read_bytes() == vocabulary("chatglm")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense" * 50, vocabulary("chatglm2")[:2000]], ids=["empty", "text", "cut"]
)
@pytest.mark.parametrize("kind", KINDS.values())
def test_a_file_that_is_no_vocabulary_is_named(kind, content, tmp_path):
    path = tmp_path / "some.model"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"some\.model is not a SentencePiece vocabulary"):
        kind(path)
