"""From token ids to text that can be shown: whole characters only, and nothing past a stop string."""

from collections.abc import Callable, Sequence

# A UTF-8 character has at most four bytes, so a longer unfinished tail is really invalid text.
MAX_PENDING_TOKENS = 4
REPLACEMENT = "\ufffd"


class IncrementalDecoder:
    """Decodes token ids as they come; the pieces joined are the text of all ids decoded at once.

    Works for byte-level vocabularies (a character may span tokens) and SentencePiece ones (a leading
    space belongs to a word but is dropped at the start of a text): each piece is what a token adds to
    the text of the tokens just before it.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._context_start = 0  # ids from here to _shown give the new ones their context
        self._shown = 0  # ids before this one have been given out

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that these ids complete, possibly empty."""
        self._ids.extend(token_ids)
        text = self._new_text()
        if text.endswith(REPLACEMENT) and len(self._ids) - self._shown < MAX_PENDING_TOKENS:
            return ""
        self._advance()
        return text

    def flush(self) -> str:
        """What is left at the end, an unfinished character as U+FFFD."""
        text = self._new_text()
        self._advance()
        return text

    def _new_text(self) -> str:
        context = self._decode(self._ids[self._context_start : self._shown])
        return self._decode(self._ids[self._context_start :])[len(context) :]

    def _advance(self) -> None:
        self._context_start, self._shown = self._shown, len(self._ids)


class StopStrings:
    """Cuts a stream of text at the first of several stop strings, which may span pieces."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False

    def push(self, piece: str) -> str:
        """The text that is safe to show; what could be the start of a stop string is held back."""
        if not self._stops:
            return piece
        text = self._held + piece
        starts = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if starts:
            self.found, self._held = True, ""
            return text[: min(starts)]
        keep = max((n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, once no more text can come."""
        held, self._held = self._held, ""
        return held
