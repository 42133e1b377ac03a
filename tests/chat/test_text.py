"""Whole characters only, for vocabularies of every kind, and nothing past a stop string."""

import io
import random

import pytest

from glmcore.chat.text import NEARBY, REPLACEMENT, CleanedText, IncrementalDecoder, StopStrings
from glmcore.models.answer_text import PLACEHOLDER, clean_chatglm, clean_chatglm2, settled

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "你好，世界！今天天气很好，我们去公园散步吧。",
    "Emoji: 😀 🎉 👩‍👩‍👧 🇨🇳, accents: é ü ñ, math: ∑ ≤ π.",
    "混合 mixed 文本 with 中文 and English 🤖。",
    "  two  spaces\n\nand\ttabs  ",
]
STRANGE = "𠮷野家 ꙮ ﷽ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ｶﾀｶﾅ"  # in no vocabulary


@pytest.fixture(scope="module")
def byte_level():
    """Tokens of a byte-level vocabulary that begin and end in the middle of characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def sentence_pieces():
    """A SentencePiece model with a token for every byte."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 3),
        model_writer=model,
        vocab_size=400,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


@pytest.fixture(scope="module")
def fused_bytes(sentence_pieces):
    """The same vocabulary decoded as fast tokenizers do: bytes that are no text spoil their run."""
    from tokenizers import decoders

    decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return lambda ids: decoder.decode([sentence_pieces.id_to_piece(token_id) for token_id in ids])


def random_parts(ids, rng):
    """The ids in parts of one to four, most of them single."""
    at = 0
    while at < len(ids):
        size = rng.choice([1, 1, 1, 2, 3, 4])
        yield ids[at : at + size]
        at += size


def pieces_of(decode, parts):
    decoder = IncrementalDecoder(decode)
    return [*(decoder.push(part) for part in parts), decoder.flush()]


def random_texts(seed, count=60):
    """Sentences cut and mixed at random, some with characters of no vocabulary."""
    rng = random.Random(seed)
    for _ in range(count):
        parts = rng.sample([*SENTENCES, STRANGE], k=rng.randint(1, 3))
        yield rng, "".join(part[rng.randint(0, 6) : rng.randint(7, 40)] for part in parts)


def test_byte_level_pieces_joined_are_the_text(byte_level):
    for rng, text in random_texts(1):
        ids = byte_level.encode(text).ids
        pieces = pieces_of(byte_level.decode, random_parts(ids, rng))
        assert "".join(pieces) == byte_level.decode(ids) == text
        assert not any(REPLACEMENT in piece for piece in pieces)


def test_sentence_pieces_joined_are_the_text(sentence_pieces, fused_bytes):
    for rng, text in random_texts(2):
        ids = sentence_pieces.encode(text)
        for decode in (sentence_pieces.decode, fused_bytes):
            pieces = pieces_of(decode, random_parts(ids, rng))
            assert "".join(pieces) == decode(ids)
            assert not any(REPLACEMENT in piece for piece in pieces)


def test_one_character_may_be_many_tokens(byte_level, sentence_pieces, fused_bytes):
    ids = byte_level.encode("𠮷").ids
    pieces = pieces_of(byte_level.decode, [[token_id] for token_id in ids])
    assert pieces == [""] * (len(ids) - 1) + ["𠮷", ""]
    assert len(ids) > 1
    ids = sentence_pieces.encode("𠮷𠮷")
    assert len(ids) == 9  # the leading space and four bytes each
    for decode in (sentence_pieces.decode, fused_bytes):
        pieces = pieces_of(decode, [[token_id] for token_id in ids])
        assert pieces == ["", "", "", "", "𠮷", "", "", "", "𠮷", ""]


def test_a_chain_of_tokens_that_each_end_inside_a_character_is_shown_as_it_completes():
    text = "你好世界再见" * 3
    encoded = text.encode()
    parts = [encoded[:1], *(encoded[at : at + 3] for at in range(1, len(encoded), 3))]
    decode = lambda ids: b"".join(parts[i] for i in ids).decode(errors="replace")  # noqa: E731
    pieces = pieces_of(decode, [[i] for i in range(len(parts))])
    assert pieces == ["", *text, ""]


def test_random_tokens_give_the_text_of_all_at_once(byte_level, sentence_pieces):
    """A model need not write sense; what is invalid is U+FFFD there and here."""
    rng = random.Random(3)
    for _ in range(60):
        ids = [rng.randrange(byte_level.get_vocab_size()) for _ in range(rng.randint(1, 60))]
        joined = "".join(pieces_of(byte_level.decode, random_parts(ids, rng)))
        assert joined == byte_level.decode(ids)
        ids = [rng.randrange(3, sentence_pieces.vocab_size()) for _ in range(rng.randint(1, 60))]
        joined = "".join(pieces_of(sentence_pieces.decode, random_parts(ids, rng)))
        assert joined == sentence_pieces.decode(ids)


def test_bytes_that_never_become_a_character_are_shown_in_the_end(byte_level):
    bad = [byte_level.token_to_id("Ã")]  # stands for the byte C3, the first one of é
    pieces = pieces_of(byte_level.decode, [bad] * 40)
    assert "".join(pieces) == REPLACEMENT * 40
    assert len([piece for piece in pieces if piece]) > 1
    assert pieces_of(byte_level.decode, [bad])[-1] == REPLACEMENT


def test_a_continued_text_keeps_the_space_of_its_first_word(sentence_pieces):
    begun, more = sentence_pieces.encode("The quick"), sentence_pieces.encode("brown fox")
    assert sentence_pieces.decode(more) == "brown fox"
    decoder = IncrementalDecoder(sentence_pieces.decode, context=begun)
    assert decoder.push(more) + decoder.flush() == " brown fox"


def stopped(stops, parts):
    strings = StopStrings(stops)
    shown = []
    for part in parts:
        shown.append(strings.push(part))
        if strings.found:
            return "".join(shown), True
    return "".join(shown) + strings.flush(), False


@pytest.mark.parametrize(
    ("stops", "text", "shown"),
    [
        ([], "anything", "anything"),
        (["END"], "one END two", "one "),
        (["END"], "one EN", "one EN"),
        (["\n\n"], "a\nb\n\nc", "a\nb"),
        (["aab"], "aaab", "a"),
        (["abab", "ba"], "xabab", "xa"),
        (["b", "abc"], "abc", "a"),
        (["ab", "b"], "ab", ""),
        (["停"], "请停下", "请"),
        (["User:", "###"], "fine. ## ok ### no", "fine. ## ok "),
    ],
)
def test_text_ends_before_the_first_stop_string_however_it_is_cut(stops, text, shown):
    rng = random.Random(4)
    assert stopped(stops, list(text)) == (shown, shown != text)
    for _ in range(30):
        cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 4)))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert stopped(stops, parts) == (shown, shown != text)


def test_only_what_could_be_a_stop_string_is_held_back():
    strings = StopStrings(["<|user|>"])
    assert strings.push("a < b <|us") == "a < b "
    assert strings.push("b") == "<|usb"
    assert strings.push("<|") == ""
    assert strings.flush() == "<|"
    assert not strings.found


CLEANINGS = [clean_chatglm, clean_chatglm2]
each_cleaning = pytest.mark.parametrize("clean", CLEANINGS, ids=lambda clean: clean.__name__)
SIGNS = [
    "你好",
    "好",
    "word",
    "a ",
    ",",
    "!",
    ":",
    ";",
    "?",
    "，",
    " ",
    "  ",
    "\n",
    PLACEHOLDER,
    PLACEHOLDER[:3],
]


def cleaned(clean, parts, begun=""):
    """What is given out for the parts, and at the end."""
    text = CleanedText(clean, lambda text: settled(clean, text), begun)
    return [*(text.push(part) for part in parts), text.flush()]


@each_cleaning
def test_cleaned_pieces_joined_are_the_cleaned_text(clean):
    rng = random.Random(5)
    for _ in range(150):
        text = "".join(rng.choices(SIGNS, k=rng.choice([1, 5, 40, 200])))
        assert "".join(cleaned(clean, random_parts(text, rng))) == clean(text)


@each_cleaning
def test_a_continued_text_gives_out_the_continuation_only(clean):
    rng = random.Random(6)
    for _ in range(150):
        whole = "".join(rng.choices([sign for sign in SIGNS if "[" not in sign], k=rng.choice([2, 20, 200])))
        begun = settled(clean, whole[: rng.randrange(len(whole))])
        rest = "word" + "".join(rng.choices(SIGNS, k=5))
        assert begun + "".join(cleaned(clean, random_parts(rest, rng), begun)) == clean(begun + rest)


def test_only_what_more_text_could_change_is_held_back():
    assert cleaned(clean_chatglm, ["\n", "hello", ",", "好", " ", "[[训", "练时间]]", "!"]) == [
        "",
        "hello",
        "",
        "，好",
        "",
        " ",
        "2023年",
        "！",
        "",
    ]


def test_what_stands_already_is_neither_taken_back_nor_said_again():
    assert cleaned(clean_chatglm, ["好"], begun="word,") == ["好", ""]
    assert cleaned(clean_chatglm2, ["more"], begun="\nthe end ") == ["more", ""]


def test_cleaning_looks_at_a_short_text_however_long_the_answer_is():
    lengths = []

    def settle(text):
        lengths.append(len(text))
        return settled(clean_chatglm, text)

    text = CleanedText(clean_chatglm, settle, begun="begun, 好!" * 200)
    answer = "".join(text.push(piece) for piece in ["你好, ", "这 is,好的!\n"] * 300) + text.flush()
    assert answer == clean_chatglm("你好, 这 is,好的!\n" * 300)
    assert max(lengths[1:]) < 4 * NEARBY
