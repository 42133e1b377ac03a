"""Answers as they are shown, and what of a growing one may be shown already."""

import random
import time

import pytest

from glmcore.chat.text import CleanedText
from glmcore.models.answer_text import (
    FILLED,
    PLACEHOLDER,
    as_it_is,
    clean_chatglm,
    clean_chatglm2,
)
from glmcore.models.answer_text import settled as settled_of

CLEANERS = [clean_chatglm, clean_chatglm2]
PARTS = [
    *",!:;?中文a1 \n\t，[]",
    PLACEHOLDER,
    "[[训练",
    "训练时间]]",
    "\u3000",
    ", ",
    "?!",
    "你好,",
    ",你好",
    FILLED,
]

TEXTS = [
    "",
    " \n ",
    "你好,我是ChatGLM-6B:一个模型;好吗?好!",
    "Hello, world! 中文,English:两者",
    f"  我的{PLACEHOLDER},到{PLACEHOLDER}。",
    f"[{PLACEHOLDER}][[训练时[[训练时间]",
    "[[[[训练时间]]]]",
    "a ,  ,中",
    "中, ,文",
    "\n 先空一行\n\n再说: 好 \n",
    "😀,中😀:",
    PLACEHOLDER,
]


def random_texts(count=150):
    chosen = random.Random(3)
    return ["".join(chosen.choices(PARTS, k=chosen.randrange(1, 15))) for _ in range(count)]


@pytest.mark.parametrize("clean", CLEANERS)
def test_what_is_settled_is_the_beginning_of_the_whole_and_never_shrinks(clean):
    for text in [*TEXTS, *random_texts()]:
        whole, before = clean(text), ""
        for length in range(len(text) + 1):
            settled = settled_of(clean, text[:length])
            assert whole.startswith(settled), (text, length)
            assert settled.startswith(before), (text, length)
            before = settled


@pytest.mark.parametrize("clean", CLEANERS)
def test_nothing_is_held_back_once_the_end_is_plain(clean):
    for text in [*TEXTS, *random_texts()]:
        assert settled_of(clean, f"{text}x") == clean(f"{text}x")


def test_a_begun_answer_is_settled_but_for_its_end():
    assert settled_of(clean_chatglm, "你好,我是") == "你好，我是"
    assert settled_of(clean_chatglm, "I am fine,") == "I am fine"
    assert settled_of(clean_chatglm, "在 [[训练") == "在 "
    assert settled_of(clean_chatglm, f"在{PLACEHOLDER}") == f"在{FILLED}"
    assert settled_of(clean_chatglm, "在[[练") == "在[[练"
    assert settled_of(as_it_is, " as it is, ") == " as it is, "


@pytest.mark.parametrize(
    "written, shown",
    [
        ("你好,世界", "你好，世界"),
        ("你好, world", "你好， world"),
        ("hello,世界", "hello，世界"),
        ("hello, 世界", "hello, 世界"),
        ("3,000元", "3,000元"),
        ("好!吗?是:一;二", "好！吗？是：一；二"),
        ("好!!", "好！!"),
        ("什么?!你", "什么？！你"),
        ("a:b;c", "a:b;c"),
        ("中文.", "中文."),
        ("(中),", "(中),"),
        ("かな,カナ", "かな,カナ"),
        ("\u4e00,x\u9fff", "\u4e00，x\u9fff"),
        ("\u9fff:\u3400:", "\u9fff：\u3400:"),
        (f"{PLACEHOLDER},", "2023年，"),
        (" \n你好 \n", "你好"),
    ],
)
def test_punctuation_beside_chinese_is_widened_and_no_other(written, shown):
    assert clean_chatglm(written) == shown


def test_chatglm2_and_the_role_families_keep_their_punctuation():
    assert clean_chatglm2(f" 你好,在{PLACEHOLDER}: \n") == f"你好,在{FILLED}:"
    assert clean_chatglm2("\nHello\nworld") == "Hello\nworld"
    assert clean_chatglm2("a<|assistant|>b") == "a<|assistant|>b", "a control token that was written stays"


@pytest.mark.parametrize("clean", CLEANERS)
def test_cleaning_a_long_answer_token_by_token_costs_little(clean):
    text = ("你好,我是一个语言模型. Hello, world! " * 200)[:4000]
    cleaned = CleanedText(clean, lambda grown: settled_of(clean, grown))
    started = time.perf_counter()
    shown = "".join([cleaned.push(text[at : at + 2]) for at in range(0, 4000, 2)])
    seconds = time.perf_counter() - started
    assert shown + cleaned.flush() == clean(text)
    assert seconds / 2000 < 0.001
