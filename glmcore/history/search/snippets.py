"""The part of a text that shows best why it was found, with the hits marked; the text itself stays raw."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from glmcore.history.search.query import Term
from glmcore.history.search.words import (
    INVISIBLE,
    LETTERS,
    MARKS,
    SPACELESS,
    WORD_CHARS,
    folded,
    is_spaceless,
)

SNIPPET_CHARS = 160
_CHARS_BEFORE = 40  # the first hit
_MOST_HITS = 1_000
_OF_WORD = f"(?:{LETTERS}|[{MARKS}])"
_BETWEEN = r"[\W_]*"
# Characters that are folded one by one; or any other with what can melt into it: marks, and the later letters
# of a hangul syllable.
_JOINING = f"{MARKS}{INVISIBLE}\u3099\u309a\uff9e\uff9f\u1160-\u11ff"
_PIECES = re.compile(r"(?s)[\x00-\x7f、。，：一-鿿]+|."), re.compile(f"(?s).[{_JOINING}]*")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SnippetPart:
    """Consecutive characters of a text; `is_hit` where they are what was searched."""

    text: str
    is_hit: bool


def snippet(text: str, wanted: re.Pattern[str]) -> tuple[SnippetPart, ...]:
    """About `SNIPPET_CHARS` characters where the hits stand closest, on one line."""
    hits = hits_in(text, wanted)
    begin, end = _window(text, hits)
    parts: list[SnippetPart] = []
    at = begin
    for first, last in hits:
        if first >= begin and last <= end:
            parts += [SnippetPart(text[at:first], False), SnippetPart(text[first:last], True)]
            at = last
    parts.append(SnippetPart(text[at:end], False))
    parts = [SnippetPart(re.sub(r"\s+", " ", part.text), part.is_hit) for part in parts if part.text]
    before = [SnippetPart("…", False)] if begin > 0 else []
    after = [SnippetPart("…", False)] if end < len(text) else []
    return (*before, *parts, *after)


def pattern_of(terms: Sequence[Term]) -> re.Pattern[str]:
    """What finds the terms in a folded text: what the index finds, with the places."""
    # Of those that begin at the same place, the longest.
    longest_first = sorted(terms, key=lambda term: len("".join(term.words)), reverse=True)
    return re.compile("|".join(_pattern(term) for term in longest_first))


def _pattern(term: Term) -> str:
    runs = _runs(term.words)
    parts: list[str] = []
    for place, run in enumerate(runs):
        is_last = place == len(runs) - 1
        literal = re.escape(run)
        if is_spaceless(run):  # begins and ends anywhere in a text's run, where nothing else is asked for
            parts.append(f"(?<![{SPACELESS}]){literal}" if place else literal)
            parts.append("" if is_last else f"(?![{SPACELESS}])")
        elif is_last and term.is_prefix:
            parts.append(f"{literal}(?<!{_OF_WORD}{literal}){_OF_WORD}*")
        else:
            rest = f"{_OF_WORD}*" if len(run) == WORD_CHARS else ""
            parts.append(f"{literal}(?<!{_OF_WORD}{literal}){rest}(?!{_OF_WORD})")
        parts.append("" if is_last else _BETWEEN)
    return "".join(parts)


def _runs(words: Sequence[str]) -> list[str]:
    """The runs of characters that the words were made of; pairs overlap in one."""
    runs: list[str] = []
    goes_on = False
    for word in words:
        if goes_on:
            runs[-1] += word[1:]
        else:
            runs.append(word)
        goes_on = len(word) > 1 and is_spaceless(word)
    return runs


def hits_in(text: str, wanted: re.Pattern[str]) -> list[Span]:
    """Where the hits are, from first to last."""
    compared = folded(text)
    hits = [found.span() for found in islice(wanted.finditer(compared), _MOST_HITS)]
    if len(text) == len(compared) and all(folded(text[at:end]) == compared[at:end] for at, end in hits):
        return hits
    places = _places(text, compared)
    return [(places[begin], places[end]) for begin, end in hits]


def _places(text: str, compared: str) -> list[int]:
    """For each place in the folded text, the place in the text."""
    places: list[int] = []
    for pattern in _PIECES:  # the first is quick, and right but for texts where characters melt
        places, pieces = [], []
        for found in pattern.finditer(text):
            piece = folded(found.group())
            pieces.append(piece)
            start, end = found.span()
            places += range(start, end) if len(piece) == end - start else [start] * len(piece)
        if "".join(pieces) == compared:
            break
    places += [len(text)] * (len(compared) + 1 - len(places))
    return places


def _window(text: str, hits: Sequence[Span]) -> Span:
    """Where to cut the text so that most hits are seen; at its beginning if there are none."""
    if not hits:
        return 0, min(len(text), SNIPPET_CHARS)
    best, most, after = 0, 0, 0
    for at, (begin, _) in enumerate(hits):
        while after < len(hits) and hits[after][1] <= begin + SNIPPET_CHARS - _CHARS_BEFORE:
            after += 1
        if after - at > most:
            best, most = at, after - at
    first, last = hits[best]
    begin = max(0, min(first - _CHARS_BEFORE, len(text) - SNIPPET_CHARS))
    if begin > 0 and (space := re.search(r"\s", text[begin:first])):
        begin += space.end()
    end = min(len(text), max(begin + SNIPPET_CHARS, last))
    if end < len(text) and (cut := text.rfind(" ", max(last, end - 20), end)) > 0:
        end = cut
    return begin, end
