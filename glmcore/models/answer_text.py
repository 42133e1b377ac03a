"""What the published code does to an answer before it is shown; which part of a growing one is settled."""

import re
from collections.abc import Callable
from itertools import takewhile

Clean = Callable[[str], str]

PLACEHOLDER, FILLED = "[[训练时间]]", "2023年"  # of the training data, where it asks for the training's date
CJK = "\u4e00-\u9fff"
FULL_WIDTH = {",": "，", "!": "！", ":": "：", ";": "；", "?": "？"}
_PUNCTUATION = re.compile(rf"(?<=[{CJK}])[,!:;?]|[,!:;?](?=[{CJK}])")


def as_it_is(text: str) -> str:
    """For families that need nothing done."""
    return text


def clean_chatglm(text: str) -> str:
    """ChatGLM-6B: its vocabulary has only half-width punctuation, so beside Chinese it is widened again."""
    return _PUNCTUATION.sub(lambda found: FULL_WIDTH[found[0]], clean_chatglm2(text))


def clean_chatglm2(text: str) -> str:
    """ChatGLM2-6B and later: no blank at either end (answers begin with a line break), the date filled in."""
    return text.strip().replace(PLACEHOLDER, FILLED)


def settled(clean: Clean, text: str) -> str:
    """The beginning of the cleaned text that no further text can change."""
    if clean is as_it_is:
        return text
    endings = ["", "中", "a", *(PLACEHOLDER[start:] for start in range(1, len(PLACEHOLDER)))]
    candidates = [clean(text + ending) for ending in endings]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*candidates, strict=False))
    return "".join(letters[0] for letters in same)
