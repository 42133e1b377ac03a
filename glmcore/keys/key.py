"""A key as it is known after it was made: everything but the secret, of which only a hash is kept."""

from dataclasses import dataclass
from enum import StrEnum

from glmcore.core.messages import LOCAL_USER


class Right(StrEnum):
    """What a key may be used for."""

    CHAT = "chat"  # models and answers
    JOBS = "jobs"  # jobs, their logs and curves: a job is a process on the server's machine
    HISTORY = "history"  # the conversations of the key's user
    METRICS = "metrics"  # what the server measures of itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A limit of 0 is none; times are seconds since 1970."""

    id: str
    name: str
    user: str  # whose conversations and jobs its requests belong to
    hint: str  # the end of the secret, to tell keys apart
    rights: frozenset[Right]
    requests_per_minute: int
    answers_at_once: int
    stores_chats: bool  # whether what is asked with it becomes conversations of its user
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from; without a key it is somebody on this machine."""

    user: str
    key: Key | None = None

    def may(self, right: Right) -> bool:
        return self.key is None or right in self.key.rights


LOCAL_CALLER = Caller(LOCAL_USER)
