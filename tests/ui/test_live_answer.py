"""Drawing an answer while it is made: whole at the end, finished blocks once, something visible meanwhile."""

import itertools

import pytest

from glmcore.chat.model_host import LoadState
from glmcore.chat.running_answer import RunningAnswer, Snapshot
from glmcore.core.messages import AnswerFacts, ChatRequest, GenerationParams, Message, StopReason
from glmcore.ui import live_answer
from glmcore.ui.live_answer import draw_until_done
from tests.ui.visits import Server

FACTS = AnswerFacts(model="m", stop_reason=StopReason.END, params=GenerationParams())
REQUEST = ChatRequest(messages=(Message("user", "Why?"),), params=GenerationParams(), model="m")


class Place:
    """What `st.empty()` gives: shows its last text and remembers all."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def markdown(self, text: str) -> None:
        self.sent.append(text)

    caption = markdown

    def progress(self, fraction: float, text: str) -> None:
        self.sent.append(f"{text} {fraction:.0%}")

    def empty(self) -> None:
        self.sent.append("")


class ScriptedAnswer(RunningAnswer):
    """An answer whose every `wait` gives the next snapshot of a list."""

    def __init__(self, *snapshots: Snapshot) -> None:
        super().__init__("id", REQUEST)
        self._snapshots = iter(snapshots)

    def wait(self, seen: int, timeout: float) -> Snapshot:
        return next(self._snapshots)


def not_loading() -> LoadState | None:
    return None


def growing(text: str, step: int) -> list[Snapshot]:
    parts = [text[:end] for end in range(step, len(text), step)]
    return [Snapshot(part, 0, False, None) for part in parts] + [Snapshot(text, 0, False, FACTS)] * 2


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    made: list[Place] = []

    def empty() -> Place:
        made.append(Place())
        return made[-1]

    monkeypatch.setattr(live_answer.st, "empty", empty)
    monkeypatch.setattr(live_answer.time, "sleep", lambda seconds: None)
    return made


def shown(places: list[Place]) -> str:
    return "".join(place.sent[-1] for place in places if place.sent)


def test_everything_is_shown_at_the_end(places: list[Place]) -> None:
    text = "\n\n".join(f"Paragraph {number}: " + "word " * 40 for number in range(20)).strip()
    draw_until_done(ScriptedAnswer(*growing(text, 37)), not_loading)
    assert shown(places) == text


def test_what_is_sent_grows_with_the_answer_and_not_with_its_square(places: list[Place]) -> None:
    def sent(paragraphs: int) -> int:
        places.clear()
        text = "\n\n".join("word " * 60 for _ in range(paragraphs)).strip()
        draw_until_done(ScriptedAnswer(*growing(text, 20)), not_loading)
        return sum(len(part) for place in places for part in place.sent)

    assert sent(80) < 5 * sent(20)


def test_answer_that_is_complete_already_is_drawn_once(places: list[Place]) -> None:
    done = Snapshot("All of it.", 0, False, FACTS)
    draw_until_done(ScriptedAnswer(done, done), not_loading)
    assert shown(places) == "All of it."
    assert sum(len(place.sent) for place in places) <= 2


def test_answer_that_failed_without_text_ends_the_drawing(places: list[Place]) -> None:
    draw_until_done(ScriptedAnswer(Snapshot("", 0, False, FACTS)), not_loading)
    assert shown(places) == ""


def test_waiting_says_what_is_waited_for(server: Server, places: list[Place]) -> None:
    server.load_model()
    waits = [Snapshot("", 2, False, None), Snapshot("", 0, True, None), Snapshot("", 0, False, None)]
    draw_until_done(ScriptedAnswer(*waits, Snapshot("", 0, False, FACTS)), not_loading)
    said = "".join(itertools.chain.from_iterable(place.sent for place in places))
    assert "2 answers are served before yours" in said
    assert "Reading the conversation" in said
    assert "Waiting for the model" in said


def test_a_question_that_waits_for_its_model_shows_how_far_that_is(places: list[Place]) -> None:
    waits = [Snapshot("", 0, False, None), Snapshot("", 0, False, FACTS)]
    draw_until_done(ScriptedAnswer(*waits), lambda: LoadState("Downloading the model", 0.4))
    assert "Downloading the model 40%" in places[0].sent


def test_pictures_are_not_fetched_while_the_answer_grows(places: list[Place]) -> None:
    draw_until_done(ScriptedAnswer(*growing("Look: ![a](http://x/y.png) there", 3)), not_loading)
    assert not any("![a](" in part.replace("\\!", "") for place in places for part in place.sent)
