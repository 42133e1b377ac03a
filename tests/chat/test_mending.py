"""What died is tried again in the background, with growing pauses, until it works."""

import threading

import pytest

from glmcore.chat import mending
from glmcore.chat.mending import Mender, stopped
from glmcore.core.errors import EngineError
from tests.chat.conftest import wait_until


class Broken:
    """Works after as many attempts as `fails` says."""

    def __init__(self, fails=0):
        self.fails, self.attempts = fails, 0

    def __call__(self):
        self.attempts += 1
        if self.attempts <= self.fails:
            raise EngineError("attempt {number} failed", number=self.attempts)


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, none of which takes time."""
    made = []
    monkeypatch.setattr(Mender, "_wait", lambda self, pause: made.append(pause) or not self._is_closed)
    return made


def names():
    return {thread.name for thread in threading.enumerate()}


def test_nothing_is_done_before_something_dies():
    mender = Mender(Broken(), "engine")
    mender.hurry()
    assert mender.trouble() is None
    assert "mend-engine" not in names()
    mender.close()


def test_pauses_grow_until_it_works(pauses):
    broken = Broken(fails=8)
    mender = Mender(broken, "engine")
    mender.notice(stopped(RuntimeError("gone")))
    assert wait_until(lambda: mender.trouble() is None)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert broken.attempts == 9
    assert wait_until(lambda: "mend-engine" not in names())


def test_the_newest_fault_is_told(monkeypatch):
    monkeypatch.setattr(mending, "FIRST_PAUSE_SECONDS", 0.01)
    mender = Mender(Broken(fails=1), "engine")
    monkeypatch.setattr(mending, "LONGEST_PAUSE_SECONDS", 60)
    mender.notice(stopped(RuntimeError("gone")))
    assert str(mender.trouble()) == "The engine stopped (gone); ask again."
    assert wait_until(lambda: str(mender.trouble()) == "attempt 1 failed")
    assert wait_until(lambda: mender.trouble() is None)


def test_who_waits_hurries_it_up():
    broken = Broken()
    mender = Mender(broken, "engine")
    mender.notice(stopped(RuntimeError("gone")))
    mender.hurry()
    assert wait_until(lambda: mender.trouble() is None, 0.3)
    assert broken.attempts == 1


def test_a_death_while_it_is_mended_is_not_forgotten(pauses):
    def mend():
        attempts.append(True)
        if len(attempts) == 1:
            mender.notice(stopped(RuntimeError("again")))

    attempts = []
    mender = Mender(mend, "engine")
    mender.notice(stopped(RuntimeError("gone")))
    assert wait_until(lambda: mender.trouble() is None)
    assert len(attempts) == 2


def test_a_fault_of_ours_is_told_too(pauses, caplog):
    def mend():
        attempts.append(True)
        if len(attempts) < 3:
            raise KeyError("odd")

    attempts = []
    mender = Mender(mend, "engine")
    mender.notice(stopped(SystemExit()))
    assert wait_until(lambda: mender.trouble() is None)
    assert "odd" in caplog.text


def test_closing_ends_the_waiting_at_once():
    broken = Broken()
    mender = Mender(broken, "engine")
    mender.notice(stopped(SystemExit()))
    assert str(mender.trouble()) == "The engine stopped (SystemExit); ask again."
    mender.close()
    assert "mend-engine" not in names()
    mender.notice(stopped(SystemExit()))
    assert broken.attempts == 0
    assert "mend-engine" not in names()


def test_a_kept_fault_holds_no_frames():
    mender = Mender(Broken(), "engine")
    try:
        raise EngineError("with a {part}", part=ValueError("value"))
    except EngineError as error:
        mender.notice(error)
    kept = mender.trouble()
    assert (kept.__traceback__, kept.values) == (None, {"part": "value"})
    mender.close()
