"""The requests that an engine's loop has taken and not ended; every member may be used from any thread."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

from glmcore.chat.token_stream import TokenStream


@dataclass
class Flying:
    """One of them; `num_seen` are the tokens already passed on."""

    stream: TokenStream
    number: int
    num_seen: int = 0
    has_started: bool = False


class InFlight:
    """Numbers requests in the order of their coming."""

    def __init__(self) -> None:
        self._requests: dict[int, Flying] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._requests)

    def add(self, stream: TokenStream, cancel: Callable[[int], None]) -> int:
        """Take a request, which its stream cancels by the number that is given back."""
        with self._lock:
            number = next(self._numbers)
            self._requests[number] = Flying(stream, number)
        stream.attach(
            cancel=lambda: cancel(number),
            requests_ahead=lambda: self._num_waiting_before(number),
        )
        return number

    def find(self, number: int) -> Flying | None:
        with self._lock:
            return self._requests.get(number)

    def drop(self, number: int) -> Flying | None:
        with self._lock:
            return self._requests.pop(number, None)

    def take_all(self) -> list[Flying]:
        with self._lock:
            requests = list(self._requests.values())
            self._requests.clear()
        return requests

    def _num_waiting_before(self, number: int) -> int:
        """How many earlier ones have not begun."""
        with self._lock:
            return sum(other.number < number and not other.has_started for other in self._requests.values())
