"""Which conversations of an import are here already, by their ids or by what they say."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection, select

from glmcore.history.carry.fingerprints import Said, hashes, hashes_of
from glmcore.history.carry.spool import Arrived
from glmcore.history.conversations import batches
from glmcore.history.schema import conversations, messages

Fate = Literal["known", "keeps its id", "gets an id"]


class Known:
    """Told of all conversations of one import, in their order, it remembers which ones it has met."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._met: set[int] = set()  # short hashes: there may be a hundred thousand

    def fates(self, connection: Connection, arrived: Sequence[Arrived]) -> list[Fate]:
        """What becomes of each. It is known when

        - its id is taken by a conversation of the owner that says all it says, and perhaps more, or
        - its id is taken, or it has none of ours, and one of the owner's was imported that says the same.

        Deleted ones do not count, so that an import brings back what it holds, unless it was deleted in the
        file, too.
        """
        taken = _taken(connection, [each.whole.conversation.id for each in arrived if each.has_own_id])
        mine = [conversation_id for conversation_id, (owner, _) in taken.items() if owner == self._owner]
        said = _said(connection, mine)
        imported = self._imported(connection, [each.fingerprint for each in arrived])
        fates: list[Fate] = []
        for each in arrived:
            told = each.whole.conversation
            conversation_id, is_deleted = told.id, told.shelf == "deleted"
            is_free = each.has_own_id and conversation_id not in taken
            if self._meets_again(each) or (not is_free and (each.fingerprint, is_deleted) in imported):
                fates.append("known")
            elif is_free:
                fates.append("keeps its id")
                taken[conversation_id] = self._owner, is_deleted
                said[conversation_id] = hashes_of(each.whole.messages)
            elif taken.get(conversation_id) == (self._owner, is_deleted) and (
                hashes_of(each.whole.messages) <= said[conversation_id]
            ):
                fates.append("known")
            else:
                fates.append("gets an id" if each.has_own_id else "keeps its id")
                imported.add((each.fingerprint, is_deleted))
        return fates

    def _meets_again(self, arrived: Arrived) -> bool:
        own_id = arrived.whole.conversation.id if arrived.has_own_id else ""
        short = hash((own_id, arrived.fingerprint))
        is_met = short in self._met
        self._met.add(short)
        return is_met

    def _imported(self, connection: Connection, fingerprints: Sequence[str]) -> set[tuple[str, bool]]:
        """Those that were imported before, each with whether it is deleted."""
        table = conversations.c
        there = select(table.fingerprint, table.shelf == "deleted").where(table.owner == self._owner)
        found: set[tuple[str, bool]] = set()
        for some in batches(fingerprints):
            same = connection.execute(there.where(table.fingerprint.in_(some)))
            found.update((said, bool(is_deleted)) for said, is_deleted in same)
        return found


def _taken(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """The ids that are taken by anybody, each with its owner and whether it is deleted."""
    table = conversations.c
    found: dict[str, tuple[str, bool]] = {}
    for some in batches(ids):
        for row in connection.execute(select(table.id, table.owner, table.shelf).where(table.id.in_(some))):
            found[row.id] = row.owner, row.shelf == "deleted"
    return found


def _said(connection: Connection, ids: Sequence[str]) -> dict[str, set[bytes]]:
    """What each of the conversations says, as hashes."""
    table = messages.c
    rows: dict[str, list[Said]] = {each: [] for each in ids}
    for some in batches(ids):
        told = select(table.conversation_id, table.id, table.parent_id, table.role, table.content)
        for row in connection.execute(told.where(table.conversation_id.in_(some)).order_by(table.sequence)):
            rows[row.conversation_id].append((row.id, row.parent_id, row.role, row.content))
    return {conversation_id: hashes(of) for conversation_id, of in rows.items()}
