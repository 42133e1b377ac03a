"""The one door to the history: open a database by its URL, migrated and ready."""

from glmcore.history.conversations import ConversationStore
from glmcore.history.judgements import JudgementStore
from glmcore.history.messages import MessageStore
from glmcore.history.migrations import LEDGER, MIGRATIONS
from glmcore.history.presets import PresetStore
from glmcore.history.search.find import SearchStore
from glmcore.history.tags import TagStore
from glmcore.history.usage import UsageStore
from glmcore.storage import Database, migrate, open_database


class HistoryStore:
    """Conversations with all that belongs to them, in one database; may be used from any thread."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.conversations = ConversationStore(database)
        self.tags = TagStore(database)
        self.messages = MessageStore(database)
        self.judgements = JudgementStore(database)
        self.presets = PresetStore(database)
        self.usage = UsageStore(database)
        self.search = SearchStore(database)

    def close(self) -> None:
        self.database.close()


def open_history(url: str) -> HistoryStore:
    """Open the history, such as `sqlite:///data/glmcore.db`; made or migrated as needed.

    Raises:
        ConfigError: the URL names no database that this program can open.
        StorageError: the database cannot be read or written, is damaged, or was made by a newer version.
    """
    return HistoryStore(open_database(url, MIGRATIONS, LEDGER))


def open_temporary() -> HistoryStore:
    """A history in memory, for a chat that is never stored."""
    database = Database.in_memory()
    migrate(database, MIGRATIONS, LEDGER)
    return HistoryStore(database)
