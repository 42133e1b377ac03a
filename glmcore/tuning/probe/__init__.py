"""The forgetting probe: general questions asked before tuning and at every checkpoint.

A model that only knows its training data any more is the loudest complaint about P-tuning. The loss of the
usual answers and the model's own answers show it; both are kept per checkpoint.
"""
