"""The same question to two models; see `glmcore.ui.compare.page`."""

from glmcore.ui.compare.page import show

show()
