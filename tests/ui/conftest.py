"""The dashboard in this process for every test here."""

from tests.ui.visits import server

__all__ = ["server"]
