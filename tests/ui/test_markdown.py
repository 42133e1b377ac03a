"""Answers as Markdown: what is changed, what never is, and where a growing text may be cut."""

import random
import re
import time

import pytest

from glmcore.ui.markdown import MIN_BLOCK_CHARACTERS, finished_length, plain, to_markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see ![a cat](http://x/cat.png) there", "see [a cat](http://x/cat.png) there"),
        ("![a](b)![c](d)", "[a](b)[c](d)"),
        ("![](http://x/y.png)", r"\![](http://x/y.png)"),
        ("![a][ref] and vec![1, 2]", r"\![a][ref] and vec\![1, 2]"),
        ("!![a](b)", r"!\![a](b)"),  # taking one away would leave a picture
        (r"\\![a](b)", r"\\\![a](b)"),
        (r"\`![a](b)`", r"\`[a](b)`"),  # an escaped backtick opens no code
        ("``` a`b\n![a](b)", "``` a`b\n[a](b)"),  # nor does this line open a fence
    ],
)
def test_pictures_become_links_or_text(text: str, shown: str) -> None:
    assert to_markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (":red[x] and :blue-badge[y]", r"\:red[x] and \:blue-badge[y]"),
        ("std::vector[0]", r"std:\:vector[0]"),
        (":é[x] {a:b{c}}", r"\:é[x] {a\:b{c}}"),
        (":::note\nx\n:::", "\\:::note\nx\n:::"),
        ("  ::leaf", "  \\::leaf"),
        (":material/home:", r":material\/home:"),
        ("at 10:30:15, key:value, https://a.b:80/c:d", "at 10:30:15, key:value, https://a.b:80/c:d"),
    ],
)
def test_directives_are_shown_as_typed(text: str, shown: str) -> None:
    assert to_markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"\(x^2\)", "$x^2$"),
        (r"so \( a + b \) is", "so $a + b$ is"),
        ("\\[\nx = 1\n\\]", "$$\nx = 1\n$$"),
        (r"$a:b[c]$ and $$\{x:y[z]\}$$", r"$a:b[c]$ and $$\{x:y[z]\}$$"),
        (r"$$ a \\[2pt] b $$", r"$$ a \\[2pt] b $$"),
        (r"a \\[2pt] b", r"a \\[2pt] b"),
        ("\\[ never closed\n\n\\]", "\\[ never closed\n\n\\]"),
    ],
)
def test_latex_in_brackets_gets_dollars_and_is_otherwise_untouched(text: str, shown: str) -> None:
    assert to_markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it costs $5", r"it costs \$5"),
        ("$5 and $6", r"\$5 and \$6"),
        ("${HOME} or ${PATH}", r"\${HOME} or \${PATH}"),
        (r"already \$5", r"already \$5"),
        ("$x$ costs $5", r"$x$ costs \$5"),
    ],
)
def test_money_keeps_its_dollars(text: str, shown: str) -> None:
    assert to_markdown(text) == shown


NASTY = r"![a](b) $5 :red[x] \(y\) \[z\] :material/home:"


@pytest.mark.parametrize(
    "code",
    [
        f"`{NASTY}`",
        f"``a ` {NASTY}``",
        f"```\n{NASTY}\n```",
        f"```python\n\n{NASTY}\n\n{NASTY}\n```",
        f"~~~\n{NASTY}\n~~~",
        f"````\n```\n{NASTY}\n```\n````",
        f'```py\n    """\n    ```\n    {NASTY}\n    ```\n```',
        f"1. item\n\n    ```py\n    {NASTY}\n    ```",
        f"10. item\n\t~~~\n\t{NASTY}\n\t~~~",
    ],
)
def test_code_is_untouched_and_what_follows_is_prose_again(code: str) -> None:
    assert to_markdown(code) == code
    assert to_markdown(f"{code}\n\n$5") == f"{code}\n\n\\$5"


def test_a_fence_that_is_still_open_is_code() -> None:
    text = f"Look:\n\n```python\nprint('$5')  # {NASTY}\n\nx"
    assert to_markdown(text) == text


PLAIN_WORDS = re.split(" ", "word a-b *bold* _it_ [l](http://x/y) <b> &amp; 1. (x) {x} ~~s~~ | ! ? : 中文")
PLAIN_WORDS += ["- x", "# t", "> q", "\n", "\n\n"]
SPECIAL_WORDS = re.split(" ", r"$ $$ ` ``` \ \( \) \[ \] ![ ]( ! :a[ :: $5 ~~~")
SPECIAL_WORDS += ["\n```\n", "\n    ```\n"]


@pytest.mark.parametrize("seed", range(60))
def test_text_without_special_constructs_is_unchanged(seed: int) -> None:
    chance = random.Random(seed)
    text = " ".join(chance.choices(PLAIN_WORDS, k=60))
    assert to_markdown(text) == text


@pytest.mark.parametrize("seed", range(60))
def test_no_word_is_ever_lost(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choices(PLAIN_WORDS + SPECIAL_WORDS, k=60))
    assert re.findall(r"\w", to_markdown(text)) == re.findall(r"\w", text)


@pytest.mark.parametrize(
    "text", [NASTY, "![a](b) !![c](d) $5 \\$5 :red[x]", "::: \n:::a", "`$5` $x$ $5", "a\\", ":material/x:"]
)
def test_a_text_made_ready_twice_is_the_same(text: str) -> None:
    assert to_markdown(to_markdown(text)) == to_markdown(text)


@pytest.mark.parametrize("unit", ["\\[", "\\(", "![", "![a](", "`", "` `` ", "$", "$$", "\n```a`", ":a["])
def test_a_text_of_nothing_but_openings_takes_no_time(unit: str) -> None:
    begun = time.perf_counter()
    assert to_markdown(unit * 5000)
    assert time.perf_counter() - begun < 2


def test_plain_escapes_every_sign_and_no_letter() -> None:
    assert plain("**b** ![a](u) 中文 x_1 $5\\") == r"\*\*b\*\* \!\[a\]\(u\) 中文 x\_1 \$5\\"
    assert plain("only words 123") == "only words 123"


# Where a growing text may be cut.

BLOCKS = [
    "A paragraph of some words that goes on for a while, with `code` and *more*.",
    "```python\ndef f():\n\n    return 1\n\n\nprint(f())\n```",
    "~~~\na\n\nb\n~~~",
    "$$\nx = 1\n\ny = 2\n$$",
    "\\[\nx\n\n= 1\n\\]",
    "1. one\n\n   still one\n\n    ```\n    code\n\n    code\n    ```",
    "- a\n\n  - b\n\n    c",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "# Title",
    "> quoted\n> more",
]
NOT_TO_BE_CUT = re.compile(
    r"^ *```.*?^ *```$|^~~~.*?^~~~$|^\$\$.*?^\$\$$|^\\\[.*?^\\\]$|\n\n(?= )", re.M | re.S
)


@pytest.mark.parametrize("seed", range(60))
def test_cuts_of_a_growing_text_never_lie_inside_a_block(seed: int) -> None:
    chance = random.Random(seed)
    text = "\n\n".join(chance.choices(BLOCKS, k=30))
    begin, seen, cuts = 0, 0, []
    while seen < len(text):
        seen = min(len(text), seen + chance.randint(1, 200))
        if cut := finished_length(text[begin:seen]):
            begin += cut
            cuts.append(begin)
    assert cuts and "".join(text[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)) == text
    for found in NOT_TO_BE_CUT.finditer(text):
        assert not [cut for cut in cuts if found.start() < cut < found.end() + (found.group() == "\n\n")], (
            found
        )


@pytest.mark.parametrize("seed", range(30))
def test_blocks_made_ready_apart_equal_the_whole_made_ready_at_once(seed: int) -> None:
    chance = random.Random(seed)
    text = "\n\n".join(chance.choices([*BLOCKS, f"It costs $5. {NASTY}"], k=30))
    blocks, rest = [], text
    while cut := finished_length(rest):
        blocks, rest = [*blocks, rest[:cut]], rest[cut:]
    assert len(blocks) >= 1
    assert "".join(map(to_markdown, [*blocks, rest])) == to_markdown(text)


def test_a_short_text_is_not_cut() -> None:
    assert finished_length("a\n\nb") == 0
    assert (
        finished_length("a" * MIN_BLOCK_CHARACTERS + "\n\n") == 0
    )  # nothing follows yet: it could be indented
    assert finished_length("a" * MIN_BLOCK_CHARACTERS + "\n\nb") == MIN_BLOCK_CHARACTERS + 2
