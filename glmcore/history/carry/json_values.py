"""Values of a JSON text as they arrive, however long the text: those of an array, or one after the other.

Nothing is kept but the value that is being read, and that is bounded in depth, size and number of parts.
"""

from collections.abc import Iterator
from typing import Any

import ijson

from glmcore.core.errors import DataError, GlmcoreError
from glmcore.history.carry.fields import MAX_TEXT_CHARACTERS

MAX_DEPTH = 100
GIVE_UP_DEPTH = 10_000
HELD_BYTES = 2 << 20
MAX_PARTS = 10_000_000
MAX_VALUE_BYTES = 256 << 20


class JsonValues:
    """Fed with bytes, gives the values that are complete.

    A faulty value that can be passed over is given as its error. The elements of an array count as values;
    so do those of an object's `list_name` after a member that is in `marker`.

    Attributes:
        header: the members before that list.
    """

    def __init__(self, marker: tuple[str, str], list_name: str) -> None:
        self._marker, self._list_name = marker, list_name
        self._events = ijson.sendable_list()
        # With exact numbers, one of more than 4,300 digits makes ijson's C code crash the process (3.6).
        self._parser = ijson.basic_parse_coro(self._events, multiple_values=True, use_float=True)
        self.header: dict[str, Any] | None = None
        self._depth = 0
        self._base = 0  # how many brackets are open around the values
        self._open: list[Any] = []  # the containers of the value that is read
        self._keys: list[str] = []
        self._fault: GlmcoreError | None = None
        self._num_parts = self._num_bytes = self._silent_bytes = 0
        self._held = b""

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The values that end in this piece.

        Raises:
            DataError: the text is broken, and nothing after it can be read.
        """
        # The parser reads a text that has not ended anew with each piece, so a long one gets long pieces.
        self._held += piece
        if len(self._held) >= min(self._silent_bytes, HELD_BYTES):
            yield from self._parse()

    def end(self) -> Iterator[Any]:
        """The values that end because nothing follows.

        Raises:
            DataError: the text ends inside of a value, or is broken.
        """
        yield from self._parse()
        if self._depth:
            raise DataError("the file ends in the middle; it was cut off. Export or download it again.")

    def _parse(self) -> Iterator[Any]:
        piece, self._held = self._held, b""
        if not piece:  # by which the parser would know the end
            return
        try:
            self._parser.send(piece)
        except ijson.JSONError as fault:
            yield from self._take()  # what was whole before it
            raise DataError(
                "broken JSON, or a number too large; what follows cannot be read. "
                "Correct it, or export it again."
            ) from fault
        self._silent_bytes = 0 if self._events else self._silent_bytes + len(piece)
        # No character of JSON has more than six bytes, but those of texts in use have one to three.
        if self._silent_bytes > 3 * MAX_TEXT_CHARACTERS:
            raise DataError(
                "a text of more than {limit:,} characters; what follows it cannot be read.",
                limit=MAX_TEXT_CHARACTERS,
            )
        self._num_bytes += len(piece)
        if self._num_bytes > MAX_VALUE_BYTES + len(piece):
            self._give_up(_too_large())
        yield from self._take()

    def _take(self) -> Iterator[Any]:
        """The values that are complete, by the events so far."""
        for event, value in self._events:
            if event == "map_key":
                if self._open:
                    self._keys[-1] = value
            elif event in ("start_map", "start_array"):
                self._begin({} if event == "start_map" else [])
            elif event in ("end_map", "end_array"):
                self._depth -= 1
                if self._depth >= self._base:
                    done = self._open.pop() if self._open else None
                    if self._keys:
                        self._keys.pop()
                    if self._depth == self._base:
                        yield from self._finish(done)
                else:
                    self._leave_list()
            else:
                if self._depth == self._base:
                    yield from self._finish(value)
                else:
                    self._add(value)
        self._events.clear()

    def _begin(self, container: Any) -> None:
        self._depth += 1
        if self._depth == 1 and isinstance(container, list):
            self._base = 1
            return
        if self._is_list_of_values(container):
            self.header = self._open.pop()
            self._keys.pop()
            self._base = 2
            return
        if self._depth > GIVE_UP_DEPTH:
            raise DataError(
                "brackets are more than {limit} deep inside each other; what follows cannot be read.",
                limit=GIVE_UP_DEPTH,
            )
        if self._depth - self._base > MAX_DEPTH:
            self._give_up(_too_deep())
        if self._fault is None:
            if self._open:
                self._add(container)
            self._open.append(container)
            self._keys.append("")

    def _is_list_of_values(self, container: Any) -> bool:
        if self._base or self._depth != 2 or not isinstance(container, list) or not self._open:
            return False
        name, value = self._marker
        return self._keys[0] == self._list_name and self._open[0].get(name) == value

    def _leave_list(self) -> None:
        """The list of values has ended; what follows its object's other members is no value."""
        self._base = 0
        if self._depth == 1:
            self._open, self._keys = [{}], [""]

    def _add(self, value: Any) -> None:
        if self._fault is not None:
            return
        self._num_parts += 1
        if self._num_parts > MAX_PARTS:
            self._give_up(_too_large())
            return
        holder = self._open[-1]
        if isinstance(holder, dict):
            holder[self._keys[-1]] = value
        else:
            holder.append(value)

    def _give_up(self, fault: GlmcoreError) -> None:
        if self._depth > self._base:
            self._fault = self._fault or fault
            self._open, self._keys = [], []

    def _finish(self, value: Any) -> Iterator[Any]:
        is_rest_of_header = self.header is not None and self._base == 0
        if not is_rest_of_header:
            yield value if self._fault is None else self._fault
        self._fault = None
        self._open, self._keys = [], []
        self._num_parts = self._num_bytes = 0


def _too_deep() -> DataError:
    return DataError("brackets are more than {limit} deep inside each other.", limit=MAX_DEPTH)


def _too_large() -> DataError:
    return DataError(
        "one conversation of more than {megabytes} MB or {parts:,} values; split it.",
        megabytes=MAX_VALUE_BYTES >> 20,
        parts=MAX_PARTS,
    )
