"""What is looked at when somebody asks for the measures: answers in progress, models, memory, jobs."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from glmcore.chat.running_answer import Snapshot
from glmcore.jobs.job import JobState
from glmcore.server.services import Services


class StateNow(Collector):
    """Collected anew for each scrape; nothing before there are services."""

    def __init__(self) -> None:
        self.shared: Services | None = None

    def collect(self) -> Iterable[Metric]:
        shared = self.shared
        if shared is not None:
            yield from _answers(shared)
            yield from _models(shared)
            yield _jobs(shared)


def _answers(shared: Services) -> Iterable[Metric]:
    waits = [_is_waiting(answer.snapshot()) for answer in shared.answers.running()]
    yield _gauge("running_answers", "Answers that an engine works on.", waits.count(False))
    yield _gauge("waiting_answers", "Answers that wait for their turn, or for a model.", waits.count(True))
    most = shared.settings.max_running_answers
    yield _gauge("answers_limit", "Answers that may run or wait at once.", most)


def _is_waiting(snapshot: Snapshot) -> bool:
    is_at_work = snapshot.is_reading_prompt or bool(snapshot.text)
    return snapshot.requests_ahead > 0 or not is_at_work


def _models(shared: Services) -> Iterable[Metric]:
    loaded = shared.models.loaded_engines()
    yield _gauge("loaded_models", "Models in memory.", len({name for name, _engine in loaded}))
    held = GaugeMetricFamily(
        "glmcore_model_held_bytes", "Memory that a loaded model holds.", labels=("model", "engine", "device")
    )
    ready = GaugeMetricFamily(
        "glmcore_model_ready", "1 where a loaded model can answer.", labels=("model", "engine")
    )
    for name, engine in loaded:
        ready.add_metric((name, engine.kind), float(engine.trouble() is None))
        for device, num_bytes in engine.held_bytes.items():
            held.add_metric((name, engine.kind, device), num_bytes)
    yield from (ready, held)


def _jobs(shared: Services) -> Metric:
    counts = shared.jobs.queue.counts()
    jobs = GaugeMetricFamily("glmcore_jobs", "Jobs that are not archived, by state.", labels=("state",))
    for state in JobState:
        jobs.add_metric((state.value,), counts.get(state, 0))
    return jobs


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"glmcore_{name}", documentation, value=value)
