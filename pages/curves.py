"""Training curves: see `glmcore.ui.curves.page`."""

from glmcore.ui.curves.page import show

show()
