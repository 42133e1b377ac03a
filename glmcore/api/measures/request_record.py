"""What is known of the request that is being answered; found from anywhere in its work, threads included."""

import re
import time
import uuid
from contextvars import ContextVar

from glmcore.chat.running_answer import RunningAnswer
from glmcore.keys import Caller

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestRecord:
    """One request: who made it, and the answers that were made for it."""

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.caller: Caller | None = None
        self.answers: dict[str, RunningAnswer] = {}
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began


current_request: ContextVar[RequestRecord | None] = ContextVar("current_request", default=None)


def note_caller(caller: Caller) -> None:
    """Remember who makes this request."""
    record = current_request.get()
    if record is not None:
        record.caller = caller


def note_answer(answer: RunningAnswer) -> None:
    """Remember that this request waits for an answer."""
    record = current_request.get()
    if record is not None:
        record.answers[answer.id] = answer


def request_id_from(sent: str | None) -> str:
    """The id that the client gave, where it can stand in a header and a log; otherwise a new one."""
    return sent if sent is not None and _SAFE_ID.fullmatch(sent) else uuid.uuid4().hex
