"""Names of logs as a terminal can show them: on one line, so many places wide, without orders to it."""

import re
import unicodedata

LONGEST_NAME = 40  # places
_LONGEST_READ = 1000  # letters of a name that are looked at
# Colour sequences, titles and other orders to a terminal; what is left of broken ones is harmless text.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]")
# Controls, directions of writing, halves of pairs, private letters, line ends of Unicode.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def shown_name(text: str, width: int = LONGEST_NAME) -> str:
    """A name of a log on one line, cut to so many places, without what a terminal takes for an order."""
    text = _SEQUENCE.sub("", text[:_LONGEST_READ])
    text = "".join(" " if letter in "\t\r\n" else letter for letter in text)
    text = "".join(letter for letter in text if unicodedata.category(letter) not in _UNSEEN)
    if text_width(text) <= width and len(text) <= 4 * width:
        return text
    kept, places = "", 1
    for letter in text[: 4 * width]:  # accents take no place, but not without end
        places += text_width(letter)
        if places > width:
            break
        kept += letter
    return kept + "…"


def text_width(text: str) -> int:
    """Places in a terminal: Chinese characters take two, accents none."""
    return sum(map(_letter_width, text))


def _letter_width(letter: str) -> int:
    if letter.isascii():
        return 1
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
