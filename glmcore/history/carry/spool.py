"""Conversations on their way from a file to the store: on disk, in a nameless file that nobody else sees."""

import json
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glmcore.core.errors import StorageError
from glmcore.history.carry import our_form
from glmcore.history.carry.fields import Fields
from glmcore.history.whole import WholeConversation

MESSAGES_AT_ONCE = 500
CHARACTERS_AT_ONCE = 8 << 20


@dataclass(frozen=True, slots=True)
class Arrived:
    """A conversation of a file.

    Attributes:
        has_own_id: its id is one of ours, and not made up when it was read.
    """

    whole: WholeConversation
    fingerprint: str
    has_own_id: bool


class Batch:
    """Conversations of a few hundred messages together, or one of more: what is worked on at once."""

    def __init__(self) -> None:
        self.conversations: list[Arrived] = []
        self._num_messages = self._num_characters = 0

    def add(self, arrived: Arrived, num_characters: int) -> None:
        self.conversations.append(arrived)
        self._num_messages += len(arrived.whole.messages)
        self._num_characters += num_characters

    @property
    def is_full(self) -> bool:
        # An empty conversation is work, too.
        count = self._num_messages + len(self.conversations)
        return count >= MESSAGES_AT_ONCE or self._num_characters >= CHARACTERS_AT_ONCE


class Spool:
    """Written once, then read as often as needed; gone with this value."""

    def __init__(self, folder: Path | None) -> None:
        try:
            # Not in a `with`: it lives as long as the preview that a person looks at.
            self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder)  # noqa: SIM115
        except OSError as fault:
            raise _no_room(fault) from fault
        weakref.finalize(self, self._file.close)
        self.num_conversations = self.num_messages = 0

    def add(self, arrived: Arrived) -> int:
        """Keep a conversation; gives its size in characters."""
        values = [arrived.fingerprint, arrived.has_own_id, our_form.to_dict(arrived.whole)]
        try:
            num_characters = self._file.write(json.dumps(values) + "\n")
            self._file.flush()
        except OSError as fault:
            raise _no_room(fault) from fault
        self.num_conversations += 1
        self.num_messages += len(arrived.whole.messages)
        return num_characters

    def close(self) -> None:
        self._file.close()

    def batches(self) -> Iterator[list[Arrived]]:
        """Some conversations at once."""
        batch = Batch()
        self._file.seek(0)
        while line := self._file.readline():
            fingerprint, has_own_id, values = json.loads(line)
            batch.add(Arrived(our_form.read(Fields(values)), fingerprint, has_own_id), len(line))
            if batch.is_full:
                yield batch.conversations
                batch = Batch()
        if batch.conversations:
            yield batch.conversations


def _no_room(fault: OSError) -> StorageError:
    return StorageError(
        "The import does not fit into the folder for temporary files ({fault}); free some space.",
        fault=fault.strerror or fault,
    )
