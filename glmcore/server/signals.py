"""SIGTERM and SIGINT end a server that runs under uvicorn in order: answers first, then exit code 0.

uvicorn alone stops listening at once, waits for open responses without limit, and dies of the signal in the
end. So its handlers are replaced while the application lives, and it is told to end when all is done.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

log = logging.getLogger("glmcore")

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LAST_RESPONSES_SECONDS = 3  # what is still being sent then is cut off


class _Config(Protocol):
    timeout_graceful_shutdown: int | None


class _Server(Protocol):
    """What is used of uvicorn's server."""

    should_exit: bool
    config: _Config


@contextmanager
def ending_on_signals(drain: Callable[[], None]) -> Iterator[None]:
    """At the first signal, call `drain` in a thread and then end the server; a second one ends it at once.

    Does nothing where it is not uvicorn that waits for signals, in tests for example. uvicorn puts the
    handlers of before back when it ends.
    """
    server = _waiting_server()
    if server is not None:
        ending = _Ending(server, drain, asyncio.get_running_loop())
        for number in SIGNALS:
            signal.signal(number, ending.handle)
    yield


def _waiting_server() -> _Server | None:
    """The server whose method is the present handler."""
    if threading.current_thread() is not threading.main_thread():
        return None
    server: _Server | None = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if hasattr(server, "should_exit") else None


class _Ending:
    def __init__(self, server: _Server, drain: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._drain, self._loop = server, drain, loop
        self._is_asked = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._is_asked = True
        # Only rings: a handler may have interrupted anything, also somebody who holds the lock of threading.
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        threading.Thread(target=self._end, name="ending", daemon=True).start()

    def _end(self) -> None:
        try:
            self._drain()
        except Exception:
            log.exception("running answers could not be ended in order")
        finally:
            self._server.config.timeout_graceful_shutdown = LAST_RESPONSES_SECONDS
            self._server.should_exit = True
