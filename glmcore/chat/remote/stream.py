"""One answer of another server: read in the engine's event loop, iterated in the thread of who asked.

Closing the connection is how a server is told that nobody reads any more, at every stage: while connecting,
while it reads the prompt, between two tokens.
"""

from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from glmcore.chat.engine import TokenLogprob, Usage
from glmcore.chat.remote.chunks import Piece, WholeCharacters, read_chunk
from glmcore.chat.remote.faults import broken_off, garbage
from glmcore.chat.text import StopStrings
from glmcore.core.endpoints import Endpoint
from glmcore.core.errors import ConfigError, EngineError, GlmcoreError
from glmcore.core.messages import ChatRequest, StopReason

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

USAGE_SECONDS = 2.0  # how long after the last token the server may take to tell what was used

# Opens the connection and gives the chunks as they come.
OpenChunks = Callable[[], Coroutine[Any, Any, Any]]
# Told how the connection ended: cut by us, with a fault of theirs, or as it should.
OnEnd = Callable[["RemoteStream", Future[None]], None]


class RemoteStream:
    """A `TextStream`."""

    def __init__(
        self,
        request: ChatRequest,
        endpoint: Endpoint,
        open_chunks: OpenChunks,
        explain: Callable[[BaseException], GlmcoreError],
    ) -> None:
        self._request, self._endpoint = request, endpoint
        self._open, self._explain = open_chunks, explain
        self._came: SimpleQueue[Piece | BaseException | None] = SimpleQueue()
        self._whole, self._stops = WholeCharacters(), StopStrings(request.params.stop)
        self._reason: StopReason | None = None
        self._told_usage: tuple[int, int] | None = None
        self._num_pieces = 0
        self._logprobs: list[TokenLogprob] = []
        self._task: Future[None] = Future()

    def start(self, portal: "BlockingPortal", on_end: OnEnd) -> None:
        """Begin to receive; `on_end` is called once, whatever the end is."""

        def end(task: Future[None]) -> None:
            self._came.put(None if task.cancelled() else task.exception())
            on_end(self, task)

        self._task = portal.start_task_soon(self._receive)
        self._task.add_done_callback(end)

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._pieces()
        except BaseException:
            self._reason = self._reason or StopReason.ERROR
            raise
        finally:
            self._task.cancel()

    @property
    def stop_reason(self) -> StopReason | None:
        return self._reason

    @property
    def usage(self) -> Usage:
        """As the server told at the end; until then, and where it does not, its pieces are counted."""
        prompt, completion = self._told_usage or (0, self._num_pieces)
        return Usage(prompt, completion, 0)

    @property
    def tells_usage(self) -> bool:
        return self._told_usage is not None

    @property
    def token_logprobs(self) -> list[TokenLogprob]:
        return self._logprobs

    def requests_ahead(self) -> int:
        return 0  # a server does not tell

    def cancel(self) -> None:
        if self._reason is None:
            self._reason = StopReason.CANCELLED
        self._task.cancel()
        self._came.put(None)

    def _pieces(self) -> Iterator[str]:
        """Texts that can be shown, as they come in."""
        finish: Piece | None = None
        while (piece := self._came.get()) is not None and self._reason is None:
            if isinstance(piece, BaseException):
                if finish is not None:  # all is said; only the rest of the formalities failed
                    break
                raise self._explain(piece)
            finish = finish or (piece if piece.finish else None)
            if text := self._read(piece):
                yield text
            if self._stops.found:
                self._reason = StopReason.STOP_STRING
                return
        if self._reason is not None:
            return
        if text := self._stops.push(self._whole.flush()) + self._stops.flush():
            yield text
        self._finish(finish)

    def _read(self, piece: Piece) -> str:
        self._num_pieces += piece.has_token
        self._logprobs += piece.logprobs
        if piece.text and self._request.logprobs is not None and not self._logprobs:
            raise ConfigError(
                "The server {endpoint} does not tell how likely tokens are; ask without {param}.",
                endpoint=self._endpoint.name,
                param="logprobs",
            )
        return self._stops.push(self._whole.push(piece.text))

    def _finish(self, finish: Piece | None) -> None:
        if finish is None:
            raise broken_off(self._endpoint) if self._num_pieces else garbage(self._endpoint)
        if finish.reason is StopReason.ERROR:
            raise EngineError(
                "The server {endpoint} ended the answer by itself ({reason}); the part that came is kept.",
                endpoint=self._endpoint.name,
                reason=finish.finish,
            )
        self._reason = finish.reason

    # In the event loop.

    async def _receive(self) -> None:
        from anyio import CancelScope, current_time

        async with await self._open() as chunks:
            with CancelScope() as scope:
                async for chunk in chunks:
                    piece = read_chunk(chunk)
                    self._told_usage = piece.usage or self._told_usage
                    self._came.put(piece)
                    if piece.finish:
                        scope.deadline = current_time() + USAGE_SECONDS
