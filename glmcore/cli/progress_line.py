"""How far slow work is, in one line of the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from glmcore.core.i18n import translate
from glmcore.models.progress import Progress

CLEAR_LINE = "\r\x1b[K"


class ProgressLine:
    """One line that is written anew as work proceeds; in a file one line per stage."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_terminal = stream, stream.isatty()
        self._shown = ""

    def show(self, stage: str, fraction: float | None) -> None:
        text = stage
        if self._is_terminal:
            text = CLEAR_LINE + (stage if fraction is None else f"{stage} {fraction:.0%}") + " …"
        if text != self._shown:
            self._stream.write(text if self._is_terminal else text + "\n")
            self._stream.flush()
        self._shown = text

    def clear(self) -> None:
        if self._is_terminal and self._shown:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()


@contextmanager
def shown_progress(language: str) -> Iterator[Progress]:
    """Give what slow work is to call; the line on stderr is gone afterwards."""
    line = ProgressLine(sys.stderr)
    try:
        yield lambda stage, fraction: line.show(translate(stage, language), fraction)
    finally:
        line.clear()
