"""Random texts of what has broken scorers: both languages, ends of sentences, dots, spaces, lines, emoji."""

import random
from collections.abc import Iterator

CHINESE = "今天 天气 很好 我们 公园 散步 的 的 是 是不是 人工智能 研究生命起源 龘靐 小明硕士毕业于中国科学院"
ENGLISH = "the the cat mat is GLM a don't well-known 3.14 1,000 50% 2XL S-2XL e.g. C++ &amp; <skipped> &lt;"
MARKS = """。 ！ ？ ? ” ’ “ 。” ？” … …… ，、； . .. ...... ....... ............. , ; : - -- _ # + ( ) [ ] /
    🍎 👩‍👧 é ß ٣ １２"""
PIECES = f"{CHINESE} {ENGLISH} {MARKS}".split()
SPACES = [
    "",
    "",
    "",
    " ",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\n\n",
    "\r\n\r\n",
    "\t",
    "\u3000",
    "\u2028",
    "\xa0",
    "\x85",
]


def random_pairs(count: int, seed: int, max_pieces: int = 14) -> Iterator[tuple[str, str]]:
    """Pairs that share some of their pieces; some are empty, of one piece, or equal."""
    chance = random.Random(seed)
    for _ in range(count):
        vocabulary = chance.sample(PIECES, k=chance.randint(1, 12))
        texts = [_text(chance, vocabulary, chance.randint(0, max_pieces)) for _ in range(2)]
        yield (texts[0], texts[0]) if chance.random() < 0.05 else (texts[0], texts[1])


def _text(chance: random.Random, vocabulary: list[str], num_pieces: int) -> str:
    pieces = (chance.choice(SPACES) + chance.choice(vocabulary) for _ in range(num_pieces))
    return "".join(pieces) + chance.choice(SPACES)
