"""What is asked for: words that must all be there, "phrases", beginnings* and -exclusions.

Quotes, minus, star and space may be of full width, as Chinese keyboards type them.
"""

import re
from dataclasses import dataclass

from glmcore.core.errors import DataError
from glmcore.history.search.passages import OVERLAP
from glmcore.history.search.words import is_spaceless, segmented

QUERY_CHARS = 1_000
QUERY_TERMS = 32
_QUOTES = '"＂“”„‟«»「」『』'
_MINUS = "-－−"
_TERM = re.compile(
    rf"(?P<lone>[{_MINUS}](?!\S))|(?P<minus>[{_MINUS}])?(?:"
    rf"[{_QUOTES}](?P<phrase>[^{_QUOTES}]*)(?P<end>[{_QUOTES}])?(?P<any>[*＊])?|(?P<word>[^\s{_QUOTES}]+))"
)


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow each other; of the last one its beginning is enough where `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Terms that must all be in a title or message, and terms of which none may be."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...] = ()


def parse_query(words: str) -> Query:
    """Understand what was typed.

    Raises:
        DataError: it cannot be understood; the message says what to type.
    """
    if len(words) > QUERY_CHARS:
        raise DataError(
            "The search has {count} characters; expected at most {limit}. Search for a few words of it.",
            count=len(words),
            limit=QUERY_CHARS,
        )
    wanted: dict[Term, None] = {}
    unwanted: dict[Term, None] = {}
    for found in _TERM.finditer(words):
        term = _term(found)
        if term.words:
            (unwanted if found["minus"] else wanted)[term] = None
    if not wanted:
        raise _nothing_wanted(words, bool(unwanted))
    if len(wanted) + len(unwanted) > QUERY_TERMS:
        raise DataError(
            "The search has {count} words and phrases; expected at most {limit}. Leave some out.",
            count=len(wanted) + len(unwanted),
            limit=QUERY_TERMS,
        )
    return Query(tuple(wanted), tuple(unwanted))


def _term(found: re.Match[str]) -> Term:
    if found["lone"]:
        raise DataError('A "-" stands alone; write it right before the word to leave out, as in -draft.')
    text = found["phrase"] if found["word"] is None else found["word"]
    if found["word"] is None and found["end"] is None:
        raise DataError(
            "The quotation that begins with {start!r} is not closed; add a quotation mark at its end.",
            start=text.strip()[:20],
        )
    if found["word"] is not None and not text.strip("*＊"):
        raise DataError('A "*" stands alone; write it right after the beginning of a word, as in learn*.')
    is_prefix = bool(found["any"]) or (found["word"] is not None and text[-1] in "*＊")
    return _of_words(segmented(text), is_prefix)


def _of_words(words: list[str], is_prefix: bool) -> Term:
    if len(words) > OVERLAP:
        raise DataError(
            "The phrase that begins with {start!r} has {count} words; expected at most {limit}. "
            "Search for a part of it.",
            start=words[0],
            count=len(words),
            limit=OVERLAP,
        )
    if not words or not is_spaceless(words[-1]):
        return Term(tuple(words), is_prefix and bool(words))
    # The last character of a run stands alone only where the run ends, but here the run may go on.
    if len(words) > 1 and len(words[-2]) > 1 and is_spaceless(words[-2]):
        return Term(tuple(words[:-1]))
    return Term(tuple(words), is_prefix=True)


def _nothing_wanted(words: str, has_exclusions: bool) -> DataError:
    if has_exclusions:
        return DataError(
            "The search {words!r} only leaves words out; add a word that is to be found.", words=words.strip()
        )
    return DataError(
        "The search {words!r} has no letter or digit, and signs are not searched; type a word.",
        words=words.strip(),
    )
