"""The dashboard in this process for every test of a page."""

from tests.ui.visits import server

__all__ = ["server"]
