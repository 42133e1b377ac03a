"""Reading a running answer from asyncio. The answer's thread only rings; a slow reader holds up nobody."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from glmcore.api.measures.request_record import note_answer
from glmcore.chat.running_answer import RunningAnswer, Snapshot

READ_EVERY_SECONDS = 10.0  # without news too, so that a reader can say that it is alive


async def watch(answer: RunningAnswer, *, every: float = READ_EVERY_SECONDS) -> AsyncGenerator[Snapshot]:
    """Give a snapshot whenever there is more to see, or after `every` seconds without; the last has facts.

    What comes faster than it is read is seen together in one snapshot.
    """
    note_answer(answer)
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ring() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its reader with it
            loop.call_soon_threadsafe(changed.set)

    unwatch = answer.watch(ring)
    try:
        while True:
            changed.clear()
            snapshot = answer.snapshot()
            yield snapshot
            if snapshot.facts is not None:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), every)
    finally:
        unwatch()


async def finished(answer: RunningAnswer) -> Snapshot:
    """Wait for the end of an answer; who stops waiting ends it."""
    try:
        async for snapshot in watch(answer):
            if snapshot.facts is not None:
                return snapshot
        raise AssertionError("an answer is watched until it has ended")
    except BaseException:
        answer.cancel()
        raise
