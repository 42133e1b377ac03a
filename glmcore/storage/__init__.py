"""A database opened by its URL: transactions, column types, numbered migrations, faults as sentences.

Knows no tables: the rooms that keep something bring their own.
"""

from glmcore.storage.database import Database
from glmcore.storage.migrations import Migration, migrate, open_database

__all__ = ["Database", "Migration", "migrate", "open_database"]
