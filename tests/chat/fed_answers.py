"""An engine whose stream is fed by the test, and a sink that fails when told to."""

import queue

from glmcore.chat.engine import Usage
from glmcore.core.messages import StopReason


class Sink:
    """Keeps what is stored; `save_error` and `finish_error` are raised instead."""

    def __init__(self):
        self.saved, self.finished = [], None
        self.save_error = self.finish_error = None

    def save_text(self, text):
        if self.save_error is not None:
            raise self.save_error
        self.saved.append(text)

    def finish(self, text, facts):
        if self.finish_error is not None:
            raise self.finish_error
        self.finished = (text, facts)


class Stream:
    """A `TextStream` that is fed by the test: a piece, an exception, or why it ends."""

    def __init__(self):
        self.pipe = queue.SimpleQueue()
        self.stop_reason = None
        self.ahead = 0
        self.count = 0
        self.token_logprobs = []

    def __iter__(self):
        while not isinstance(item := self.pipe.get(timeout=10), StopReason):
            if isinstance(item, Exception):
                raise item
            self.count += 1
            yield item
        self.stop_reason = item

    @property
    def usage(self):
        return Usage(prompt_tokens=7, completion_tokens=self.count, turns_left_out=1)

    def requests_ahead(self):
        return self.ahead

    def cancel(self):
        self.pipe.put(StopReason.CANCELLED)


class Engine:
    """Gives out one stream, as often as it is asked."""

    kind = "fed"

    def __init__(self):
        self.stream = Stream()

    def submit(self, request):
        return self.stream
