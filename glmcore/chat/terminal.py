"""The chat in a terminal: ask, watch the answer come, stop it with Ctrl+C, ask on.

Knows no command line and loads no model: `cli` brings the engine. The conversation is kept in memory only.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from glmcore.chat.answers import AnswerRegistry
from glmcore.chat.engine import ChatEngine
from glmcore.chat.running_answer import Unstored
from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import translate, translate_error, translate_plural
from glmcore.core.messages import AnswerFacts, ChatRequest, GenerationParams, Message, StopReason

EXIT_INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl+C
POLL_SECONDS = 0.1  # how soon Ctrl+C is noticed while no text comes
PATIENCE_SECONDS = 2.0  # how long after Ctrl+C another one means that the first did not help
CLEAR_SCREEN = "\x1b[H\x1b[2J\x1b[3J"  # cursor to the top, screen, what was scrolled away
# Everything that could steer a terminal; a model may repeat what somebody smuggled into its prompt.
CONTROL_CHARACTERS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")})


def stream_answer(
    engine: ChatEngine, request: ChatRequest, show: Callable[[str], None]
) -> tuple[str, AnswerFacts]:
    """Answer a request, showing its text as it comes; Ctrl+C ends the answer and keeps the part."""
    registry = AnswerRegistry(lambda request, cancelled: engine, max_running=1)
    with _remembered_ctrl_c() as was_pressed:
        answer = registry.start("terminal", request, Unstored())
        num_shown = 0
        try:
            while True:
                snapshot = answer.wait(num_shown, POLL_SECONDS)
                show(snapshot.text[num_shown:])
                num_shown = len(snapshot.text)
                if snapshot.facts is not None:
                    return snapshot.text, snapshot.facts
                if was_pressed():
                    answer.cancel()
        except BaseException:  # nobody reads any more: a broken pipe, an impatient Ctrl+C
            answer.cancel()
            raise


@contextmanager
def _remembered_ctrl_c() -> Iterator[Callable[[], bool]]:
    """While this lasts Ctrl+C is remembered, so that it cannot cut a piece of text out of an answer.

    One that comes when the first has not helped for a while raises KeyboardInterrupt as ever.
    """
    pressed_at: float | None = None

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed_at
        if pressed_at is None:
            pressed_at = time.monotonic()
        elif time.monotonic() - pressed_at > PATIENCE_SECONDS:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: pressed_at is not None
    finally:
        signal.signal(signal.SIGINT, before)


def writer_to(screen: TextIO) -> Callable[[str], None]:
    """Writes each piece at once; on a terminal without characters that steer it."""
    steers = screen.isatty()

    def write(piece: str) -> None:
        screen.write(piece.translate(CONTROL_CHARACTERS) if steers else piece)
        screen.flush()

    return write


class TerminalChat:
    """One conversation with one engine, over a screen and a keyboard."""

    def __init__(
        self,
        engine: ChatEngine,
        params: GenerationParams,
        *,
        language: str,
        screen: TextIO,
        system: str = "",
        read_line: Callable[[str], str] = input,
    ) -> None:
        self._engine, self._params, self._language = engine, params, language
        self._screen, self._write, self._read_line = screen, writer_to(screen), read_line
        self._head = [Message("system", system)] if system else []
        self._turns: list[Message] = []

    def run(self) -> int:
        """Talk until the person leaves; gives the exit code."""
        self._greet()
        is_leaving = False  # Ctrl+C was pressed at the prompt, and nothing was entered since
        while True:
            try:
                line = self._read_line(self._("You: ")).strip()
                is_leaving = False
                if line == "stop":
                    return 0
                self._obey_or_ask(line)
            except EOFError:
                self._write("\n")
                return 0
            except KeyboardInterrupt:
                self._write("\n")
                if is_leaving:
                    return EXIT_INTERRUPTED
                is_leaving = True
                self._write(
                    self._("Enter stop or press Ctrl+D to leave; Ctrl+C once more leaves too.") + "\n"
                )

    def _obey_or_ask(self, line: str) -> None:
        if line == "clear":
            self._turns.clear()
            if self._screen.isatty():
                self._screen.write(CLEAR_SCREEN)
            self._greet()
        elif line:
            self._ask(line)

    def _greet(self) -> None:
        lines = [
            self._("Chat with {model}").format(model=self._engine.model_name),
            *(self._(note.template).format(**note.values) for note in self._engine.notes),
            self._("clear: forget the conversation · stop or Ctrl+D: leave · Ctrl+C: stop the answer"),
        ]
        self._write("\n".join(lines) + "\n\n")

    def _ask(self, question: str) -> None:
        asked = Message("user", question)
        request = ChatRequest(
            messages=(*self._head, *self._turns, asked), params=self._params, model=self._engine.model_name
        )
        self._write(f"{self._engine.model_name}: ")
        text, facts = stream_answer(self._engine, request, self._write)
        if text.strip():  # a question that got no answer at all would confuse the next one
            self._turns += [asked, Message("assistant", text)]
        self._write("\n".join(["", *self._remarks(facts), "", ""]))

    def _remarks(self, facts: AnswerFacts) -> Iterator[str]:
        """What is to be said under an answer, where anything is."""
        if facts.turns_left_out:
            yield translate_plural(
                "({count} earlier turn was left out, it did not fit the model's window.)",
                "({count} earlier turns were left out, they did not fit the model's window.)",
                facts.turns_left_out,
                self._language,
            ).format(count=facts.turns_left_out)
        if facts.stop_reason is StopReason.CANCELLED:
            yield self._("(Stopped; the part that came is kept.)")
        elif facts.stop_reason is StopReason.LENGTH:
            yield self._("(Cut off after {count} tokens; --max-new-tokens sets the limit.)").format(
                count=facts.completion_tokens
            )
        elif facts.error is not None:
            yield translate_error(GlmcoreError.from_dict(facts.error), self._language)

    def _(self, text: str) -> str:
        return translate(text, self._language)
