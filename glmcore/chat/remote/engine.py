"""The engine for a model of another server. It holds nothing but connections.

What fits the model's window, how many may ask at once and who is served first is that server's affair; what
it refuses is said in its own words.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from glmcore.chat.remote.body import Dialect, build_body, is_continued
from glmcore.chat.remote.connection import open_client
from glmcore.chat.remote.faults import explain, garbage, said, status_of
from glmcore.chat.remote.listing import Listing
from glmcore.chat.remote.stream import RemoteStream
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.messages import ChatRequest, GenerationParams, Message
from glmcore.core.notes import Note

if TYPE_CHECKING:
    from openai import AsyncOpenAI

BYTES_PER_TOKEN = 4  # of English text in today's vocabularies; others have fewer
TOKENS_PER_MESSAGE = 4  # around each, for the form of the prompt
UNCLEAR_REQUEST = (400, 422)  # how servers refuse what they do not know


class RemoteEngine:
    """A `ChatEngine`."""

    default_params = GenerationParams(top_k=0)  # neutral in what not every server takes
    held_bytes: Mapping[str, int] = {}
    kind = "remote"

    def __init__(self, listing: Listing, model_id: str, *, timeout: float) -> None:
        """Raises nothing and asks nothing yet: whether the server is there is the listing's to find out."""
        from anyio.from_thread import start_blocking_portal

        self._listing, self._endpoint = listing, listing.endpoint
        self._model_id, self._timeout = model_id, timeout
        self.model_name = self._endpoint.model_name(model_id)
        self.window = listing.window(model_id)
        self._dialect = Dialect()
        self.notes: tuple[Note, ...] = tuple(listing.notes(model_id))
        self._running: set[RemoteStream] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._life = ExitStack()
        name = f"remote-{self._endpoint.name}"
        self._portal = self._life.enter_context(start_blocking_portal(name=name))
        self._client: AsyncOpenAI = self._portal.call(open_client, self._endpoint, timeout)

    def submit(self, request: ChatRequest) -> RemoteStream:
        with self._lock:
            if self._is_closed:
                raise EngineError(
                    "{name} was unloaded while it was waited for; ask again.", name=self.model_name
                )
            stream = RemoteStream(
                request,
                self._endpoint,
                lambda: self._open(request),
                lambda fault: self._explain(fault, request),
            )
            self._running.add(stream)
            stream.start(self._portal, self._note_end)
        return stream

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate: the server has the vocabulary."""
        size = sum(len(message.content.encode("utf-8", "replace")) for message in messages)
        return -(-size // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * len(messages)

    def num_running(self) -> int:
        return len(self._running)

    def trouble(self) -> GlmcoreError | None:
        """What the last contact with the server ended in; it is looked for again in the background."""
        self._listing.look_soon()
        return self._listing.trouble

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        for stream in list(self._running):
            stream.cancel()
        self._portal.call(self._client.close)
        self._life.close()

    # In the event loop.

    async def _open(self, request: ChatRequest) -> Any:
        """The chunks of an answer; asked again in simpler words where the server did not know one of ours."""
        while True:
            body = build_body(request, self._model_id, self._dialect)
            asked: Any = self._client.chat if request.plain_text is None else self._client
            try:
                chunks = await asked.completions.create(**body)
            except Exception as fault:
                simpler = self._simpler(fault)
                if simpler == self._dialect:
                    raise
                self._dialect = simpler
                continue
            content_type = chunks.response.headers.get("content-type", "")
            if not content_type.startswith("text/event-stream"):
                await chunks.close()
                raise garbage(self._endpoint)
            return chunks

    def _simpler(self, fault: Exception) -> Dialect:
        if status_of(fault) not in UNCLEAR_REQUEST:
            return self._dialect
        return self._dialect.simpler(said(fault, self._endpoint))

    def _note_end(self, stream: RemoteStream, task: Future[None]) -> None:
        self._running.discard(stream)
        if task.cancelled():
            return  # says nothing about the server
        fault = task.exception()
        self._listing.note_contact(self._explain(fault) if fault is not None else None)
        if fault is None:
            told = () if stream.tells_usage else (self._uncounted(),)
            self.notes = (*self._listing.notes(self._model_id), *told)

    def _uncounted(self) -> Note:
        text = mark(
            "The server {endpoint} does not tell how many tokens an answer has; its pieces are counted."
        )
        return Note(text, {"endpoint": self._endpoint.name})

    def _explain(self, fault: BaseException, request: ChatRequest | None = None) -> GlmcoreError:
        continued = request is not None and is_continued(request)
        return explain(fault, self._endpoint, self._model_id, timeout=self._timeout, continued=continued)
