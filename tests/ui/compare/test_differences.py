"""What differs in two answers is marked; what they say stays what they say."""

import re
import time
from html import unescape

import pytest

from glmcore.ui.compare.differences import mark_differences


def marked(html: str) -> list[str]:
    return [unescape(found) for found in re.findall(r"<mark>(.*?)</mark>", html, re.S)]


def test_words_that_the_other_one_does_not_have_are_marked() -> None:
    left, right = mark_differences("The quick brown fox.", "The slow brown fox jumps.")
    assert left == "The <mark>quick</mark> brown fox."
    assert right == "The <mark>slow</mark> brown fox <mark>jumps</mark>."


def test_scripts_without_spaces_differ_by_character() -> None:
    left, right = mark_differences("今天天气很好。", "今天天气不好。")
    assert (marked(left), marked(right)) == (["很"], ["不"])


def test_equal_texts_and_other_line_breaks_have_no_marks() -> None:
    for left, right in (("Same.", "Same."), ("one two\nthree", "one\ntwo three"), ("", "")):
        html = mark_differences(left, right)
        assert marked(html[0]) == marked(html[1]) == []
        assert [unescape(each) for each in html] == [left, right]


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "</mark><img src=x onerror=y>", "a\"b'c & <mark>", "\x00\u202e\n\t é"],
)
def test_whatever_is_written_is_inert_and_whole(text: str) -> None:
    for html in mark_differences(text, "something else"):
        bare = html.replace("<mark>", "").replace("</mark>", "")
        assert "<" not in bare and unescape(bare) in (text, "something else")


def test_one_empty_answer_leaves_all_of_the_other_marked() -> None:
    assert mark_differences("", " Hello\nyou ") == ("", "<mark> Hello\nyou</mark> ")


@pytest.mark.parametrize(
    ("left", "right"),
    [("the " * 300, "the a " * 150), ("the " * 4000, "the a " * 2000), ("x" * 100_000, "y " * 4000)],
    ids=["short", "long", "one word"],
)
def test_answers_that_run_in_circles_are_compared_in_time(left: str, right: str) -> None:
    began = time.process_time()
    html = mark_differences(left, right)
    assert unescape(re.sub("</?mark>", "", html[0])) == left
    assert time.process_time() - began < 1.5
