"""The HTTP API and its keys: see `glmcore.ui.keys.page`."""

from glmcore.ui.keys.page import show

show()
