"""From token ids to text that can be shown: whole characters only, cleaned, nothing past a stop string."""

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"
# An unfinished character has at most three bytes, each of them at worst a token. So many tokens in a row
# without a whole character are really invalid text, and are shown as such.
MAX_PENDING_TOKENS = 16
NEARBY = 64  # characters; no family's cleaning looks at more of them around a place


class IncrementalDecoder:
    """Decodes token ids as they come; the pieces joined are the text of all ids decoded at once.

    Works for byte-level vocabularies (a character may span tokens, and a token may end one character and
    begin the next) and SentencePiece ones (a leading space belongs to a word but is dropped at the start of
    a text): each token is decoded together with those just before it, and what it adds is given out.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], context: Sequence[int] = ()) -> None:
        """`context` are the ids just before the first one, where a text is continued."""
        self._decode = decode
        self._ids = list(context)
        self._start = 0  # the ids from here on are decoded together
        self._given = len(decode(self._ids)) if context else 0  # characters of their text already given out
        self._whole = len(self._ids)  # the text of the ids before this one has been given out whole
        self._pending = 0  # tokens since the last whole character

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that these ids complete, possibly empty."""
        return "".join([self._push_one(token_id) for token_id in token_ids])

    def flush(self) -> str:
        """What is left at the end, an unfinished character as U+FFFD."""
        text = self._new_text()
        self._given += len(text)
        return text

    def _push_one(self, token_id: int) -> str:
        self._ids.append(token_id)
        text = self._new_text()
        if text.endswith(REPLACEMENT) and self._pending < MAX_PENDING_TOKENS:
            text = text.rstrip(REPLACEMENT)
            self._pending = 0 if text else self._pending + 1
            self._given += len(text)
        else:
            self._move_on()
        return text

    def _new_text(self) -> str:
        return self._decode(self._ids[self._start :])[self._given :]

    def _move_on(self) -> None:
        """Everything is given out: keep only the newest ids as the context of the next."""
        newest = self._decode(self._ids[self._whole :])
        if newest:  # a control token or a lone space would be no context
            self._start, self._given = self._whole, len(newest)
        else:
            self._given = len(self._decode(self._ids[self._start :]))
        self._whole, self._pending = len(self._ids), 0


class CleanedText:
    """Turns a growing answer into the one that is to be shown; what it has given out it never takes back."""

    def __init__(self, clean: Callable[[str], str], settle: Callable[[str], str], begun: str = "") -> None:
        """`settle` gives the beginning of the cleaned text that no further text can change.

        `begun` is the text that a continued answer starts with; only what follows it is given out.
        """
        self._clean, self._settle = clean, settle
        self._text = begun
        # Characters of the cleaned text; cleaned with one more, as its end is no end any more.
        self._given = len(clean(begun + "a")) - 1

    def push(self, piece: str) -> str:
        """What can be shown now, possibly nothing."""
        if not piece:
            return ""
        self._text += piece
        shown = self._give(self._settle(self._text))
        self._forget()
        return shown

    def flush(self) -> str:
        """The rest, once no more text can come."""
        return self._give(self._clean(self._text))

    def _give(self, cleaned: str) -> str:
        shown = cleaned[self._given :]
        self._given += len(shown)
        return shown

    def _forget(self) -> None:
        """Drop what was given out, or each token of a long answer would clean all that came before it."""
        if len(self._text) <= 2 * NEARBY:
            return
        old, recent = self._text[:-NEARBY], self._text[-NEARBY:]
        cleaned = self._clean(old)
        apart = cleaned + self._clean(recent + "a")
        if len(cleaned) <= self._given and apart == self._clean(self._text + "a"):
            self._text = recent
            self._given -= len(cleaned)


class StopStrings:
    """Cuts a stream of text before the first of several stop strings to be complete; it may span pieces."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False

    def push(self, piece: str) -> str:
        """The text that is safe to show; what could be the start of a stop string is held back."""
        if not self._stops:
            return piece
        text = self._held + piece
        # The earliest end wins, so that the cut does not depend on how the text came in pieces.
        ends = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.found, self._held = True, ""
            return text[: min(ends)[1]]
        shown = len(text) - max(_overlap(text, stop) for stop in self._stops)
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """What was held back, once no more text can come."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text could be the start of a stop string."""
    longest = min(len(stop) - 1, len(text))
    return next((count for count in range(longest, 0, -1) if text.endswith(stop[:count])), 0)
