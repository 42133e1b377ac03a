"""The chat in a terminal, with a fake engine, keyboard and screen."""

import io
import signal
import threading

import pytest

from glmcore.chat import terminal
from glmcore.chat.terminal import CLEAR_SCREEN, TerminalChat, stream_answer
from glmcore.core.errors import DataError, EngineError
from glmcore.core.messages import ChatRequest, GenerationParams, Message, StopReason
from tests.fakes import FakeEngine


class Screen(io.StringIO):
    """A screen on which a text, when it first comes, makes something happen."""

    def __init__(self, events=(), *, is_terminal=False):
        super().__init__()
        self._events, self._is_terminal = dict(events), is_terminal

    def isatty(self):
        return self._is_terminal

    def write(self, text):
        written = super().write(text)
        for awaited in [awaited for awaited in self._events if awaited in self.getvalue()]:
            self._events.pop(awaited)()
        return written


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def talk(engine, *lines, screen=None, language="en", **more):
    """Enter lines, where an exception stands for a key, then end-of-file; gives exit code and screen."""
    keyboard = iter(lines)

    def read_line(prompt):
        line = next(keyboard, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    screen = screen or Screen()
    params = more.pop("params", engine.default_params)
    chat = TerminalChat(engine, params, language=language, screen=screen, read_line=read_line, **more)
    return chat.run(), screen.getvalue()


def said(request):
    return [(message.role, message.content) for message in request.messages]


def test_question_is_answered_and_the_next_one_knows_it():
    engine = FakeEngine(["Paris.", "The Seine."])
    code, shown = talk(engine, "Capital of France?", "Its river?", system="Be brief.")
    assert code == 0
    assert "fake: Paris." in shown and "fake: The Seine." in shown
    assert said(engine.requests[1]) == [
        ("system", "Be brief."),
        ("user", "Capital of France?"),
        ("assistant", "Paris."),
        ("user", "Its river?"),
    ]


def test_text_is_shown_piece_by_piece():
    gate = threading.Semaphore(1)
    steps = []

    def look():
        steps.append(screen.getvalue().split("fake: ")[1])
        gate.release()

    screen = Screen({"one": look, "two": look, "three": look})
    talk(FakeEngine(["one two three"], gate=gate), "count", screen=screen)
    assert steps == ["one", "one two", "one two three"]


def test_empty_line_is_not_sent():
    engine = FakeEngine()
    talk(engine, "", "   ")
    assert engine.requests == []


@pytest.mark.parametrize("word", ["stop", "  stop "])
def test_stop_ends(word):
    engine = FakeEngine()
    code, _ = talk(engine, word, "never asked")
    assert (code, engine.requests) == (0, [])


def test_clear_forgets_the_conversation_but_not_the_system_prompt():
    engine = FakeEngine()
    _, shown = talk(engine, "first", " clear ", "second", system="Be brief.")
    assert said(engine.requests[1]) == [("system", "Be brief."), ("user", "second")]
    assert CLEAR_SCREEN not in shown


def test_clear_clears_a_screen_that_is_a_terminal():
    _, shown = talk(FakeEngine(), "clear", screen=Screen(is_terminal=True))
    greeting = shown.split(CLEAR_SCREEN)
    assert len(greeting) == 2 and greeting[1].startswith("Chat with fake")


def test_ctrl_c_stops_the_answer_and_the_talk_goes_on_with_the_part():
    gate = threading.Semaphore(2)
    engine = FakeEngine(["one two three four", "five"], gate=gate)
    screen = Screen({"one two": press_ctrl_c, "(Stopped": gate.release})
    code, shown = talk(engine, "count", "go on", screen=screen)
    assert code == 0
    assert "fake: one two\n(Stopped; the part that came is kept.)" in shown
    assert said(engine.requests[1]) == [("user", "count"), ("assistant", "one two"), ("user", "go on")]


def test_stopped_answer_without_text_is_forgotten_with_its_question():
    gate = threading.Semaphore(0)
    engine = FakeEngine(["never", "yes"], gate=gate)
    threading.Timer(0.2, press_ctrl_c).start()
    talk(engine, "first", "second", screen=Screen({"(Stopped": gate.release}))
    assert said(engine.requests[1]) == [("user", "second")]


def test_ctrl_c_at_the_prompt_says_how_to_leave_and_a_second_one_leaves():
    code, shown = talk(FakeEngine(), KeyboardInterrupt(), KeyboardInterrupt(), "never asked")
    assert code == 130
    assert shown.count("Enter stop or press Ctrl+D to leave") == 1


def test_a_line_between_two_ctrl_c_makes_the_second_the_first_again():
    engine = FakeEngine()
    code, _ = talk(engine, KeyboardInterrupt(), "hello", KeyboardInterrupt(), "still here")
    assert (code, len(engine.requests)) == (0, 2)


def test_failed_answer_is_said_and_the_talk_goes_on():
    engine = FakeEngine([DataError("Too long."), ["half ", EngineError("It broke.")], "fine"])
    code, shown = talk(engine, "one", "two", "three")
    assert code == 0
    assert "Too long." in shown and "half \nIt broke." in shown
    assert said(engine.requests[2]) == [("user", "two"), ("assistant", "half "), ("user", "three")]


def test_answer_that_was_cut_off_says_so():
    _, shown = talk(FakeEngine(["one two three"]), "count", params=GenerationParams(max_new_tokens=2))
    assert "one two\n(Cut off after 2 tokens" in shown


def test_answer_cannot_steer_the_terminal():
    engine = FakeEngine([["safe\x1b]0;owned\x07\x9b2J\r\t一\n"]])
    _, shown = talk(engine, "go", screen=Screen(is_terminal=True))
    assert "fake: safe]0;owned2J\t一\n" in shown
    _, shown = talk(engine, "go")
    assert "\x1b]0;owned" in shown, "a file gets what the model wrote"


def test_impatient_ctrl_c_gives_up_waiting(monkeypatch):
    monkeypatch.setattr(terminal, "PATIENCE_SECONDS", 0.0)
    engine = FakeEngine([["a", "b"]], gate=threading.Semaphore(1))
    before = signal.getsignal(signal.SIGINT)

    def press_twice(piece):
        if piece:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        stream_answer(engine, request("go"), press_twice)
    assert signal.getsignal(signal.SIGINT) is before


def test_answer_is_cancelled_when_nobody_can_read_it():
    engine = FakeEngine([["a", "b", "c"]], gate=threading.Semaphore(1))
    streams = []
    submit = engine.submit
    engine.submit = lambda request: streams.append(submit(request)) or streams[-1]

    def closed_pipe(piece):
        if piece:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        stream_answer(engine, request("go"), closed_pipe)
    assert streams[0].stop_reason is StopReason.CANCELLED


def test_facts_of_the_answer_are_given():
    text, facts = stream_answer(FakeEngine(["one two"]), request("say two words"), lambda piece: None)
    assert text == "one two"
    assert (facts.model, facts.prompt_tokens, facts.completion_tokens) == ("fake", 3, 2)
    assert facts.stop_reason is StopReason.END


def request(question):
    return ChatRequest(messages=(Message("user", question),), params=GenerationParams(), model="fake")
