"""Training: jobs, the form of a new one, evaluations; see `glmcore.ui.training.page`."""

from glmcore.ui.training.page import show

show()
