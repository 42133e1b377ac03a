"""What is counted while the server runs: requests, answers, tokens, and how long they took.

Labels take few values whatever clients send: route templates, known methods, models that there are.
"""

import threading

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from starlette.middleware.cors import ALL_METHODS

from glmcore.api.measures.state_now import StateNow
from glmcore.api.shared import FindServices
from glmcore.chat.running_answer import RunningAnswer
from glmcore.core.messages import AnswerFacts
from glmcore.server.services import Services

OTHER = "other"
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
FIRST_TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)

# They would be a second series beside each of ours, for what `process_start_time_seconds` tells too.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Counters:
    """The measures of one API; may be used from any thread."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "glmcore_http_requests",
            "HTTP requests that have ended; 499 where the client left before.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "glmcore_http_request_seconds",
            "Seconds from a request to the end of its response.",
            ("method", "route"),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "glmcore_answers",
            "Answers that have ended, of pages too, by why they ended.",
            ("model", "stop_reason"),
            registry=registry,
        )
        self._prompt_tokens = Counter(
            "glmcore_prompt_tokens", "Tokens of the prompts of ended answers.", ("model",), registry=registry
        )
        self._completion_tokens = Counter(
            "glmcore_completion_tokens", "Tokens of ended answers.", ("model",), registry=registry
        )
        self._first_token_seconds = Histogram(
            "glmcore_time_to_first_token_seconds",
            "Seconds from asking to the first text, waiting and loading included.",
            ("model",),
            buckets=FIRST_TOKEN_SECONDS,
            registry=registry,
        )
        self._token_seconds = Histogram(
            "glmcore_time_per_token_seconds",
            "Mean seconds between the tokens of an answer, after its first.",
            ("model",),
            buckets=TOKEN_SECONDS,
            registry=registry,
        )
        self._state_now = StateNow()
        registry.register(self._state_now)
        self._models: set[str] = set()
        self._lock = threading.Lock()

    def follow(self, shared: Services) -> None:
        """Count the answers of these services, whoever asks for them. A second call changes nothing."""
        with self._lock:
            if self._state_now.shared is shared:
                return
            self._state_now.shared = shared
        shared.answers.tell_ends(lambda answer, facts: self._count_answer(shared, answer, facts))

    def following(self, find_services: FindServices) -> FindServices:
        """The same search for services; what it finds is followed."""

        def find() -> Services:
            shared = find_services()
            self.follow(shared)
            return shared

        return find

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in ALL_METHODS else OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def _count_answer(self, shared: Services, answer: RunningAnswer, facts: AnswerFacts) -> None:
        model = self._model_label(shared, facts.model)
        self._answers.labels(model, facts.stop_reason.value).inc()
        self._prompt_tokens.labels(model).inc(facts.prompt_tokens)
        self._completion_tokens.labels(model).inc(facts.completion_tokens)
        if facts.seconds_to_first_token is not None:
            self._first_token_seconds.labels(model).observe(facts.seconds_to_first_token)
        if facts.tokens_per_second:
            self._token_seconds.labels(model).observe(1 / facts.tokens_per_second)

    def _model_label(self, shared: Services, name: str) -> str:
        """The name of a model that there is or was; others are whatever somebody asked for."""
        if name not in self._models:
            self._models |= {entry.name for entry in shared.models.entries()}
        return name if name in self._models else OTHER
