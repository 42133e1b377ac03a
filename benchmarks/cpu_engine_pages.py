"""What drawing pages costs the engine for CPUs: its speed over HTTP with and without sessions that draw."""

import asyncio
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.cpu_engine import question
from benchmarks.http_load import Load, ask, questions
from benchmarks.report import Measurement, alternate
from glmcore.core.settings import EMBEDDED_MODEL, load_settings

SESSIONS, DRAWN_SECONDS = 8, 12.0


def measure() -> Iterator[Measurement]:
    """A dashboard that answers over HTTP, while eight sessions have the chat page drawn again and again."""
    from tests.e2e.dashboard import Dashboard, make_home

    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home", load_settings().home.resolve())
        dashboard = Dashboard(home, GLMCORE_ENGINE="openvino")
        dashboard.start()
        try:
            dashboard.wait_until_ready()
            numbers = itertools.count()

            def rate() -> float:
                texts = [question(next(numbers)) for _ in range(2)]
                load = Load(f"{dashboard.url}/v1", EMBEDDED_MODEL, questions(*texts), 512)
                return 1 / max(answer.seconds / len(answer.text) for answer in ask(load))

            rate()
            drawn: list[int] = []
            with_pages, without = alternate(2, lambda: _while_drawn(dashboard.url, rate, drawn), rate)
            detail = f"{sum(drawn) / len(drawn) / DRAWN_SECONDS:.1f} pages drawn a second"
            name = "speed with 8 sessions drawing / alone"
            yield Measurement(name, with_pages / without, detail, at_least=0.9)
        finally:
            dashboard.stop()


def _while_drawn(url: str, rate: Callable[[], float], drawn: list[int]) -> float:
    from tests.e2e.websocket_session import PageSession

    async def draw() -> int:
        times = 0
        async with PageSession(url, "chat") as session:
            await session.open()
            ready.release()
            ends = time.monotonic() + DRAWN_SECONDS
            while time.monotonic() < ends:  # the whole page, which is more than its parts that poll
                await session.rerun()
                await asyncio.sleep(1.0)
                times += 1
        return times

    async def draw_all() -> int:
        return sum(await asyncio.gather(*(draw() for _ in range(SESSIONS))))

    ready = threading.Semaphore(0)
    drawing = threading.Thread(target=lambda: drawn.append(asyncio.run(draw_all())))
    drawing.start()
    for _ in range(SESSIONS):
        ready.acquire()
    found = rate()
    drawing.join()
    return found
