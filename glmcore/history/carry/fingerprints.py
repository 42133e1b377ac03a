"""What a conversation says, as hashes: equal for equal roles, texts and tree, whatever ids and times are.

A message's hash is of its role, its text and the hash of the message before it. So the hashes of a
conversation that has gone on contain those that it had before, and those of any of its branches. Messages
without text do not count: some forms leave them out.
"""

import hashlib
from collections.abc import Iterable

from glmcore.history.records import StoredMessage

# id, id of the parent, role, text; parents first
Said = tuple[str, str | None, str, str]


def hashes(messages: Iterable[Said]) -> set[bytes]:
    found: dict[str | None, bytes] = {}
    for message_id, parent_id, role, content in messages:
        if not content.strip():
            found[message_id] = found.get(parent_id, b"")
            continue
        said = hashlib.sha256(found.get(parent_id, b""))
        said.update(f"\0{role}\0".encode())
        said.update(content.encode("utf-8", "replace"))
        found[message_id] = said.digest()
    return set(found.values()) - {b""}


def hashes_of(messages: Iterable[StoredMessage]) -> set[bytes]:
    return hashes((each.id, each.parent_id, each.role, each.content) for each in messages)


def fingerprint(said: set[bytes]) -> str:
    """One hash for a whole conversation."""
    return hashlib.sha256(b"".join(sorted(said))).hexdigest()
