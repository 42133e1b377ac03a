"""The database is tried with the history's tables, the first that were in it."""

from tests.history.conftest import facts, store, talk, url

__all__ = ["facts", "store", "talk", "url"]
