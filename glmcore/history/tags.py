"""Tags of conversations: words of the owner's choice, any number on each."""

from collections.abc import Sequence

from sqlalchemy import func, select

from glmcore.core.errors import DataError
from glmcore.history.conversations import batches, change_seen
from glmcore.history.schema import conversations, tags
from glmcore.storage.database import Database

TAG_CHARS = 40


class TagStore:
    """Every method finds the owner's conversations only, and changes none that is deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self, owner: str) -> dict[str, int]:
        """The owner's tags, each with the number of its conversations, in the order of their names."""
        counted = (
            select(tags.c.tag, func.count().label("conversations"))
            .join_from(tags, conversations, tags.c.conversation_id == conversations.c.id)
            .where(tags.c.owner == owner, conversations.c.shelf != "deleted")
            .group_by(tags.c.tag)
            .order_by(tags.c.tag)
        )
        with self._database.reading() as connection:
            return {row.tag: row.conversations for row in connection.execute(counted)}

    def of(self, owner: str, conversation_id: str) -> tuple[str, ...]:
        query = select(tags.c.tag).where(tags.c.owner == owner, tags.c.conversation_id == conversation_id)
        with self._database.reading() as connection:
            return tuple(connection.execute(query.order_by(tags.c.tag)).scalars())

    def set(
        self, owner: str, conversation_id: str, names: Sequence[str], *, seen_version: int | None = None
    ) -> None:
        """Give a conversation these tags and no others.

        Raises:
            DataError: a tag is blank or too long.
            ConflictError: the conversation has changed since `seen_version`.
        """
        wanted = {checked_tag(name) for name in names}
        with self._database.writing() as connection:
            change_seen(connection, owner, conversation_id, {}, seen_version)
            connection.execute(tags.delete().where(tags.c.conversation_id == conversation_id))
            rows = [{"conversation_id": conversation_id, "owner": owner, "tag": tag} for tag in wanted]
            if rows:
                connection.execute(tags.insert(), rows)

    def add(self, owner: str, conversation_ids: Sequence[str], name: str) -> None:
        """Put a tag on conversations; those that are gone are passed over."""
        self._replace(owner, conversation_ids, checked_tag(name), is_tagged=True)

    def take_away(self, owner: str, conversation_ids: Sequence[str], name: str) -> None:
        """Take a tag from conversations."""
        self._replace(owner, conversation_ids, checked_tag(name), is_tagged=False)

    def _replace(self, owner: str, conversation_ids: Sequence[str], name: str, *, is_tagged: bool) -> None:
        with self._database.writing() as connection:
            for some in batches(conversation_ids):
                theirs = (
                    conversations.c.owner == owner,
                    conversations.c.shelf != "deleted",
                    conversations.c.id.in_(some),
                )
                found = connection.execute(select(conversations.c.id).where(*theirs)).scalars().all()
                connection.execute(tags.delete().where(tags.c.tag == name, tags.c.conversation_id.in_(found)))
                if is_tagged and found:
                    rows = [{"conversation_id": each, "owner": owner, "tag": name} for each in found]
                    connection.execute(tags.insert(), rows)
                bump = conversations.update().where(*theirs)
                connection.execute(bump.values(version=conversations.c.version + 1))


def checked_tag(name: str) -> str:
    """A tag as it is kept.

    Raises:
        DataError: it is blank or too long.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= TAG_CHARS:
        raise DataError(
            "The tag {name!r} has {count} characters; expected 1 to {limit}.",
            name=name[:TAG_CHARS],
            count=len(name),
            limit=TAG_CHARS,
        )
    return name
