"""Brings what has died back to life in the background, and tells meanwhile what is wrong with it."""

import logging
import threading
from collections.abc import Callable

from glmcore.core.errors import EngineError, GlmcoreError

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 10.0


class Mender:
    """Calls `mend` until it succeeds, each time after a longer pause; every member is thread-safe.

    `mend` raises a GlmcoreError when what it mends still does not work.
    """

    def __init__(self, mend: Callable[[], None], name: str) -> None:
        self._mend, self._name = mend, name
        self._fault: GlmcoreError | None = None
        self._thread: threading.Thread | None = None
        self._is_hurried = False
        self._is_closed = False
        self._changed = threading.Condition()

    def trouble(self) -> GlmcoreError | None:
        """What was noticed last; None once it is mended."""
        return self._fault

    def notice(self, fault: GlmcoreError) -> None:
        """Tell of a death, or of an attempt to mend that failed. Must not wait for `mend`."""
        with self._changed:
            self._fault = without_traceback(fault)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name=f"mend-{self._name}", daemon=True)
                self._thread.start()

    def hurry(self) -> None:
        """Try now: somebody waits for it, or has begun to mend it himself."""
        with self._changed:
            self._is_hurried = self._thread is not None
            self._changed.notify_all()

    def close(self) -> None:
        """Give up; waits for an attempt that is under way."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(STOP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while self._wait(pause):
            known = self._fault
            try:
                self._mend()
            except GlmcoreError as fault:
                log.warning("%s still does not work: %s", self._name, fault)
                self.notice(fault)
            except Exception as fault:
                log.exception("mending %s failed", self._name)
                self.notice(stopped(fault))
            else:
                with self._changed:
                    if self._fault is known:  # or it has died again just now
                        self._fault = self._thread = None
                        return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _wait(self, pause: float) -> bool:
        """Wait for the next attempt; False when there is to be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_hurried or self._is_closed, pause)
            self._is_hurried = False
            return not self._is_closed


def stopped(fault: BaseException) -> EngineError:
    """What a request is told that a death has ended; holds no traceback, which would hold the model."""
    return EngineError("The engine stopped ({fault}); ask again.", fault=str(fault) or type(fault).__name__)


def without_traceback(error: GlmcoreError) -> GlmcoreError:
    """The same error without the frames it came through, which may hold a model's weights."""
    return type(error).from_dict(error.to_dict())
