"""Saved conversations: see `glmcore.ui.history.page`."""

from glmcore.ui.history.page import show

show()
