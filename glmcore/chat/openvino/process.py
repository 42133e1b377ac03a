"""This end of an openvino engine: starts the process that computes and hands its tokens to streams."""

import atexit
import logging
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import glmcore
from glmcore.chat.in_flight import InFlight
from glmcore.chat.mending import stopped
from glmcore.chat.openvino.wire import Add, Cancel, Failed, Ready, Start, Step, from_line, to_line
from glmcore.chat.token_stream import TokenStream
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.messages import GenerationParams, StopReason

log = logging.getLogger(__name__)

WORKER = "glmcore.chat.openvino.worker"
PATIENCE_SECONDS, STOP_TIMEOUT_SECONDS = 1.0, 10.0  # with a process that works on; with one that ends
REASONS = {"stop": StopReason.END, "length": StopReason.LENGTH}
LOWEST_TEMPERATURE = 1e-3  # below that greedy, as dividing by it would overflow


class EngineProcess:
    """One life of the process, with the thread that reads what it says; a `Loop`."""

    def __init__(
        self, start: Start, *, name: str, end_ids: Sequence[int], on_death: Callable[[GlmcoreError], None]
    ) -> None:
        """Start it and wait until it is ready.

        Args:
            on_death: told by a thread of this object why the process ended, unless it was stopped.

        Raises:
            EngineError: the pipeline cannot be made.
        """
        self._end_ids = list(end_ids)
        self._on_death = on_death
        self._requests = InFlight()
        self._writing = threading.Lock()
        self._is_stopping = False
        self._fault: str | None = None
        self._thread: threading.Thread | None = None
        # In a session of its own, so that Ctrl-C in a terminal reaches only the server, which then drains.
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(glmcore.__file__).parent.parent,
            start_new_session=True,
        )
        atexit.register(self.stop)
        self._say(start)
        self.ready = self._wait_until_ready(name)
        self._thread = threading.Thread(target=self._listen, name=f"openvino-{name}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._fault is None and not self._is_stopping

    def num_requests(self) -> int:
        return len(self._requests)

    def add(self, stream: TokenStream, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        number = self._requests.add(stream, self._cancel)
        self._say(_to_add(number, prompt_ids, self._end_ids, params))
        if not self.is_alive and self._requests.drop(number) is not None:
            raise self.end_error()

    def end_error(self) -> EngineError:
        if self._fault is None:
            return EngineError("The engine was closed; ask again.")
        return stopped(RuntimeError(self._fault))

    def stop(self) -> None:
        self._is_stopping = True
        for request in self._requests.take_all():
            request.stream.finish(StopReason.CANCELLED)
        assert self._process.stdout is not None
        self._close_input(PATIENCE_SECONDS)  # which tells it to end
        try:
            # It looks up after each step; a step of a large model takes seconds, and nobody wants its result.
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_SECONDS)
            self._close_input(STOP_TIMEOUT_SECONDS)
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_SECONDS)
        self._process.stdout.close()
        atexit.unregister(self.stop)

    def _cancel(self, number: int) -> None:
        if self._requests.drop(number) is not None:
            self._say(Cancel(number))

    def _say(self, said: Start | Add | Cancel) -> None:
        """A process that is gone is noticed by the thread that listens to it."""
        assert self._process.stdin is not None
        with self._writing:
            if self._process.stdin.closed:
                return
            try:
                self._process.stdin.write(to_line(said))
                self._process.stdin.flush()
            except OSError:
                log.debug("the process of an openvino engine does not read any more", exc_info=True)

    def _close_input(self, timeout: float) -> None:
        """Nothing is closed while somebody writes to a process that reads nothing, until that is killed."""
        assert self._process.stdin is not None
        if self._writing.acquire(timeout=timeout):
            with suppress(OSError):  # of a dead one, to which something could not be said
                self._process.stdin.close()
            self._writing.release()

    def _wait_until_ready(self, name: str) -> Ready:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        said = from_line(line) if line.endswith(b"\n") else Failed(self._how_it_ended())
        if isinstance(said, Ready):
            return said
        assert isinstance(said, Failed)
        self.stop()
        raise EngineError(
            "OpenVINO cannot compute {name} ({fault}); choose the engine transformers.",
            name=name,
            fault=said.fault,
        )

    # The thread of this object.

    def _listen(self) -> None:
        fault = ""
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                said = from_line(line)
                if isinstance(said, Failed):
                    fault = said.fault
                elif isinstance(said, Step):
                    self._deliver(said)
        except Exception as error:  # a line that was cut off by its death
            log.debug("what an openvino engine said last cannot be read", exc_info=True)
            fault = fault or str(error)
        if self._is_stopping:
            return
        self._fault = fault or self._how_it_ended()
        log.error("the process of an openvino engine died: %s", self._fault)
        for request in self._requests.take_all():
            request.stream.fail(self.end_error())
        self._on_death(self.end_error())

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(STOP_TIMEOUT_SECONDS)
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"

    def _deliver(self, step: Step) -> None:
        for number, ids in step.tokens:
            if (request := self._requests.find(number)) is not None:
                request.has_started = True
                request.stream.put(ids)
        for number, reason in step.ended:
            if (request := self._requests.drop(number)) is None:
                continue
            if reason in REASONS:
                request.stream.finish(REASONS[reason])
            else:
                error = EngineError("The engine could not answer ({fault}); ask again.", fault=reason)
                request.stream.fail(error)


def _to_add(number: int, prompt_ids: Sequence[int], end_ids: Sequence[int], params: GenerationParams) -> Add:
    """A request as the pipeline takes it; without a seed of its own it gets a random one."""
    is_greedy = params.is_greedy or params.top_p == 0 or params.temperature < LOWEST_TEMPERATURE
    seed = params.seed if params.seed is not None else secrets.randbits(32)
    return Add(
        number=number,
        prompt_ids=prompt_ids,
        end_ids=end_ids,
        max_new_tokens=params.max_new_tokens,
        repetition_penalty=params.repetition_penalty,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        seed=None if is_greedy else seed,
    )
