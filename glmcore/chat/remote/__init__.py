"""Models that answer on other servers: listed, asked and understood like those that are loaded here."""

from glmcore.chat.remote.models import RemoteModels

__all__ = ["RemoteModels"]
