import pytest

from glmcore.history.search.query import parse_query
from glmcore.history.search.snippets import SNIPPET_CHARS, SnippetPart, hits_in, pattern_of, snippet


def marked(text: str, words: str) -> str:
    parts = snippet(text, pattern_of(parse_query(words).wanted))
    return "".join(f"[{part.text}]" if part.is_hit else part.text for part in parts)


def hits(text: str, words: str) -> list[str]:
    return [text[at:end] for at, end in hits_in(text, pattern_of(parse_query(words).wanted))]


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("the cat scatters cats, Cat's CAT", "cat", ["cat", "Cat", "CAT"]),
        ("learning to learn, unlearn", "learn*", ["learning", "learn"]),
        ("微调和微 调", "微调", ["微调"]),
        ("a微b微调", "微", ["微", "微"]),
        ("大模型 模型大", "大模型", ["大模型"]),
        ("微调 模型; 微调模型", '"微调 模型"', ["微调 模型"]),
        ("ｆｉｎｅ ﬁne FINE…", "fine", ["ｆｉｎｅ", "ﬁne", "FINE"]),
        ("……①②微调", "微调", ["微调"]),
        ("① cafe\u0301 café", "café", ["cafe\u0301", "café"]),
        ("…ｶﾞｷﾞ", "ガギ", ["ｶﾞｷﾞ"]),
        ("Straße STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("micro\u00adtuning", "microtuning", ["micro\u00adtuning"]),
        ("one two. three", '"two three"', ["two. three"]),
        ("x" * 70 + " y", "x" * 64, ["x" * 70]),
        ("nothing", "else", []),
    ],
)
def test_hits_are_places_in_the_raw_text(text: str, words: str, found: list[str]) -> None:
    assert hits(text, words) == found


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert marked("first\n\n  second\tline", "second") == "first [second] line"


def test_the_densest_part_of_a_long_text_is_shown() -> None:
    text = "apple " + "filler " * 100 + "apple with pear " + "filler " * 100
    shown = marked(text, "apple pear")
    assert "[apple] with [pear]" in shown
    assert shown.startswith("…") and shown.endswith("…")
    assert len(shown) < SNIPPET_CHARS + 10


def test_without_a_hit_the_beginning_is_shown() -> None:
    parts = snippet("字" * 300, pattern_of(parse_query("else").wanted))
    assert parts == (SnippetPart("字" * SNIPPET_CHARS, False), SnippetPart("…", False))


def test_markup_stays_as_it_is() -> None:
    assert marked("<script>alert('x')</script> **b**", "alert") == "<script>[alert]('x')</script> **b**"
