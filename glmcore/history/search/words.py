"""The words of a text: one segmentation for what is stored and what is asked, in both databases.

Scripts that are written without spaces give the pairs of neighbouring characters and, at the end of each run,
the last character alone. So each character begins exactly one word: two characters are found as a word, three
and more as a phrase, one as the beginning of a word.
"""

import re
import unicodedata
from operator import add

WORD_CHARS = 64  # the rest of a longer word, of a file as base64 say, does not count

# Han, kana, bopomofo, hangul, Thai, Lao, Myanmar and Khmer; their marks, but not their punctuation.
SPACELESS = (
    "々-〇〡-〩㐀-䶿一-鿿\uf900-\ufaff\U00020000-\U0003ffff"
    "ぁ-ゖ\u3099\u309aゝ-ゟァ-ヺー-ヿㇰ-ㇿ\U0001aff0-\U0001b16fㄅ-ㄯㆠ-ㆿ"
    "\u1100-\u11ffㄱ-ㆎ\ua960-\ua97c가-\ud7a3\ud7b0-\ud7fb"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e81-\u0edf"
    "\u1000-\u1049\u1050-\u109d\ua9e0-\ua9fe\uaa60-\uaa76\uaa7a-\uaa7f"
    "\u1780-\u17b3\u17b6-\u17d3\u17d7\u17dc-\u17e9"
)
_FIRST_SPACELESS = "\u0e01"
# Invisible: soft hyphen, joiners, byte order mark and the selectors of a glyph's shape.
INVISIBLE = "\u00ad\u200c\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef"
_INVISIBLE = re.compile(f"[{INVISIBLE}]+")


def _marks() -> str:
    """All combining marks as a class for `re`, whose \\w has none of them."""
    marks = "".join(
        chr(code) for code in range(0x300, 0x1F000) if unicodedata.category(chr(code)).startswith("M")
    )
    return re.sub(f"[{SPACELESS}]", "", marks)


LETTERS = f"[^\\W_{SPACELESS}]"
MARKS = _marks()
_RUN = re.compile(f"[{SPACELESS}]+|{LETTERS}+(?:[{MARKS}]+{LETTERS}*)*")
_IS_SPACELESS = re.compile(f"[{SPACELESS}]").match


def folded(text: str) -> str:
    """The text as it is compared: without case and differences of form, such as full width."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFKC", text.casefold())


def segmented(text: str) -> list[str]:
    """The words of a text, in their order."""
    words: list[str] = []
    for run in _RUN.findall(folded(text)):
        if is_spaceless(run):
            words += map(add, run, run[1:])
            words.append(run[-1])
        else:
            words.append(run[:WORD_CHARS])
    return words


def is_spaceless(word: str) -> bool:
    return word[0] >= _FIRST_SPACELESS and _IS_SPACELESS(word) is not None
