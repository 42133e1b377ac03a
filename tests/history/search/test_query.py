import pytest

from glmcore.core.errors import DataError
from glmcore.history.search.query import Query, Term, parse_query


def word(*words: str) -> Term:
    return Term(words)


def start(*words: str) -> Term:
    return Term(words, is_prefix=True)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("Fine tune", (word("fine"), word("tune"))),
        ("微调", (word("微调"),)),
        ("微", (start("微"),)),
        ("大模型", (word("大模", "模型"),)),
        ("用LoRA微调", (word("用", "lora", "微调"),)),
        ("LoRA微", (start("lora", "微"),)),
        ("learning_rate", (word("learning", "rate"),)),
        ("learn* 模*", (start("learn"), start("模"))),
        ('"to be"*', (start("to", "be"),)),
        ('"to  be, or"', (word("to", "be", "or"),)),
        ("「微调 模型」", (word("微调", "调", "模型"),)),
        ("微调　模型", (word("微调"), word("模型"))),
        ("用“微调”训练", (start("用"), word("微调"), word("训练"))),
        ("twice TWICE & !", (word("twice"),)),
        ('well-known "&&" ""', (word("well", "known"),)),
    ],
)
def test_what_is_wanted(typed: str, wanted: tuple[Term, ...]) -> None:
    assert parse_query(typed) == Query(wanted)


@pytest.mark.parametrize(
    ("typed", "unwanted"),
    [
        ("a -draft", word("draft")),
        ("a －草稿", word("草稿")),
        ('a -"not this"', word("not", "this")),
        ("a −learn＊", start("learn")),
    ],
)
def test_what_is_left_out(typed: str, unwanted: Term) -> None:
    assert parse_query(typed) == Query((word("a"),), (unwanted,))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ('say "hello there', "begins with 'hello there' is not closed"),
        ("“微调", "begins with '微调' is not closed"),
        ("-draft －草稿", "only leaves words out"),
        ("!?…", "no letter or digit"),
        ("", "no letter or digit"),
        ("a * b", 'A "\\*" stands alone'),
        ("a -＊", 'A "\\*" stands alone'),
        ("a - b", 'A "-" stands alone'),
        ("a -", 'A "-" stands alone'),
        ("x" * 1001, "1001 characters; expected at most 1000"),
        (" ".join(map(str, range(33))), "33 words and phrases; expected at most 32"),
        ("微调" * 33, "begins with '微调' has 66 words; expected at most 64"),
    ],
)
def test_a_malformed_query_is_explained(typed: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse_query(typed)


@pytest.mark.parametrize("sign", list("\"“”*-－−'()[]{}^:;~|&!\\%_$\x00\ud800"))
def test_no_sign_breaks_a_query(sign: str) -> None:
    for typed in (sign, f"a {sign}", f"{sign}a", f"a{sign}b", f'"{sign}a{sign}" b'):
        try:
            query = parse_query(typed)
        except DataError:
            continue
        assert query.wanted
