"""Who may ask over HTTP, for whom, and how much: keys, their rights and limits. Knows no HTTP."""

from glmcore.keys.key import LOCAL_CALLER, Caller, Key, Right

__all__ = ["LOCAL_CALLER", "Caller", "Key", "Right"]
