"""The process that computes: an OpenVINO pipeline, stepped as long as there are requests.

`python -m glmcore.chat.openvino.worker` reads lines (see `wire`) from its standard input and writes them to
its standard output. A step holds Python's lock, so in a process of their own steps never wait for pages being
drawn, nor pages for steps; and what native code breaks is this process alone. It ends when its input does.
"""

import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import openvino as ov
import openvino_genai as genai
import psutil

from glmcore.chat.openvino.file_pages import hand_back
from glmcore.chat.openvino.wire import Add, Cancel, Failed, Ready, Start, Step, from_line, to_line
from glmcore.models.openvino.native_faults import fault_line

LOOKUP_TOKENS, LOOKUP_NGRAM = 4, 3  # guessed at a time; those before that must agree
ENDINGS = {genai.GenerationFinishReason.STOP: "stop", genai.GenerationFinishReason.LENGTH: "length"}
IGNORED = "the prompt does not fit the key/value cache"


@dataclass(slots=True)
class _Running:
    handle: Any
    reason: Any = None


class Worker:
    """The pipeline with its requests; used by one thread."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._pipeline = build_pipeline(start)
        self._running: dict[int, _Running] = {}

    @property
    def is_idle(self) -> bool:
        return not self._running

    def cache_bytes(self) -> int:
        return int(self._pipeline.get_metrics().cache_size_in_bytes)

    def take(self, said: Add | Cancel) -> Step | None:
        """Begin or end a request; a step where it cannot begin."""
        if isinstance(said, Cancel):
            if (running := self._running.pop(said.number, None)) is not None:
                running.handle.cancel()
            return None
        prompt = ov.Tensor(np.array([said.prompt_ids], dtype=np.int64))
        try:
            handle = self._pipeline.add_request(said.number, prompt, self._config(said))
        except RuntimeError as fault:
            return Step([], [(said.number, fault_line(fault))])
        self._running[said.number] = _Running(handle)
        return None

    def warm_up(self) -> None:
        """Compute a token: only then are all buffers there, and the weights laid out."""
        self.take(Add(number=0, prompt_ids=[0], end_ids=[], max_new_tokens=1))
        while not self.is_idle:
            self.step()
        hand_back(Path(self._start.folder))

    def step(self) -> Step:
        """Compute one step and say what it gave."""
        self._pipeline.step()
        tokens, ended = [], []
        for number, running in list(self._running.items()):
            if ids := self._read(running):
                tokens.append((number, ids))
            if (reason := self._ending(running)) is not None:
                ended.append((number, reason))
                del self._running[number]
        return Step(tokens, ended)

    def _read(self, running: _Running) -> list[int]:
        ids: list[int] = []
        while running.handle.can_read():
            for output in running.handle.read().values():
                ids += output.generated_ids
                running.reason = output.finish_reason
        return ids

    def _ending(self, running: _Running) -> str | None:
        status = running.handle.get_status()
        if status == genai.GenerationStatus.RUNNING:
            return None
        if status == genai.GenerationStatus.IGNORED:
            return IGNORED
        return ENDINGS.get(running.reason, str(status))

    def _config(self, said: Add) -> Any:
        config = genai.GenerationConfig()
        config.apply_chat_template = False
        config.max_new_tokens = said.max_new_tokens
        ends = said.end_ids or [0]  # it insists on knowing one
        config.eos_token_id, config.stop_token_ids = ends[0], set(ends)
        config.ignore_eos = not said.end_ids
        config.repetition_penalty = said.repetition_penalty
        if said.seed is not None:
            config.do_sample = True
            config.rng_seed = said.seed
            config.temperature, config.top_p = said.temperature, said.top_p
            if said.top_k:
                config.top_k = said.top_k
        if self._start.prompt_lookup:
            config.num_assistant_tokens, config.max_ngram_size = LOOKUP_TOKENS, LOOKUP_NGRAM
        return config


def build_pipeline(start: Start) -> Any:
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = start.cache_blocks
    scheduler.max_num_batched_tokens = start.max_batch_tokens
    scheduler.max_num_seqs = start.max_sequences
    scheduler.enable_prefix_caching = True
    scheduler.dynamic_split_fuse = True
    properties: dict[str, Any] = dict(start.properties)
    if start.prompt_lookup:
        properties["prompt_lookup"] = True
    if start.adapter is not None:
        # Static: the requests of a pipeline share one adapter, and only so does add_request apply it.
        mode = genai.AdapterConfig.Mode.MODE_STATIC
        adapter = genai.Adapter(start.adapter)
        properties["adapters"] = genai.AdapterConfig(adapter, start.adapter_scale, mode)
    return genai.ContinuousBatchingPipeline(start.folder, scheduler, "CPU", properties)


def serve(lines: BinaryIO, out: BinaryIO) -> None:
    """Read what is said, answer, until the input ends."""

    def say(said: Ready | Failed | Step) -> None:
        out.write(to_line(said))
        out.flush()

    start = from_line(lines.readline())
    assert isinstance(start, Start)
    try:
        worker = Worker(start)
        worker.warm_up()
        say(Ready(psutil.Process().memory_info().rss, worker.cache_bytes()))
        _serve_requests(worker, lines, say)
    except (RuntimeError, MemoryError) as fault:  # of native code; the pipeline is not to be used any more
        say(Failed(fault_line(fault)))


def _serve_requests(worker: Worker, lines: BinaryIO, say: Any) -> None:
    heard: queue.SimpleQueue[Add | Cancel | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, heard), daemon=True).start()
    while True:
        while worker.is_idle or not heard.empty():
            said = heard.get()
            if said is None:
                return
            if (refused := worker.take(said)) is not None:
                say(refused)
        step = worker.step()
        if step.tokens or step.ended:
            say(step)


def _listen(lines: BinaryIO, heard: "queue.SimpleQueue[Add | Cancel | None]") -> None:
    for line in lines:
        said = from_line(line)
        assert isinstance(said, (Add, Cancel))
        heard.put(said)
    heard.put(None)


def main() -> None:
    # Whoever ends a service tells all of its processes; the server first lets running answers finish.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    # What OpenVINO prints would stand among the lines.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with suppress(BrokenPipeError):  # nobody listens any more
        serve(sys.stdin.buffer, out)
    os._exit(0)  # at once: nothing is left to be kept, and OpenVINO complains of blocks of cancelled requests


if __name__ == "__main__":
    main()
