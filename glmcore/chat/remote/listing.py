"""Which models a server has, asked in the background and remembered; and how the last contact ended."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from glmcore.chat.remote.connection import open_client
from glmcore.chat.remote.faults import explain, garbage, status_of
from glmcore.core.endpoints import MARK, Endpoint
from glmcore.core.errors import EngineError, GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.models import ModelEntry

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 5.0  # while something is wrong
LIST_SECONDS = 10.0  # a list is short: a server that takes longer has other troubles
MOST_MODELS = 1000
NAME_CHARS = 300
DEFAULT_WINDOW = 8192  # shown for models whose server does not tell; nothing is cut by it
NO_LIST = (404, 405, 501)
LIST_ONLY = (*NO_LIST, 500)  # says nothing about answers: transformers serve fails so without a cache to list
# Where servers tell the window of a model: vLLM and SGLang, routers, LM Studio, hosts of open models.
WINDOW_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
META_NAMES = ("n_ctx", "n_ctx_train")  # llama-server's, under "meta"


class Listing:
    """What is known of one server; every member may be used from any thread."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self.fault: GlmcoreError | None = None  # of the last look at the list
        self.trouble: GlmcoreError | None = None  # of the last contact, if nothing could be answered then
        self.was_looked_at = False
        self._timeout = min(timeout, LIST_SECONDS)
        self._windows: dict[str, int | None] = {}  # by the server's own name of a model
        self._looked_at = -LOOK_EVERY_SECONDS
        self._looking = threading.Lock()

    def entries(self) -> list[ModelEntry]:
        """The models of the last list that came; looks for a newer one in the background."""
        self.look_soon()
        return [self.entry(model_id) for model_id in self._windows]

    def entry(self, model_id: str) -> ModelEntry:
        detail = f"{self.endpoint.name} · {self.endpoint.url}"
        return ModelEntry(
            self.endpoint.model_name(model_id), None, "remote", None, is_ready=True, detail=detail
        )

    def window(self, model_id: str) -> int:
        return self._windows.get(model_id) or DEFAULT_WINDOW

    def notes(self, model_id: str) -> Iterator[Note]:
        """What somebody who asks a model of this server should know."""
        if self.fault is None and model_id not in self._windows:
            text = mark("The server {endpoint} does not list a model {model}; it may answer nevertheless.")
            yield Note(text, {"endpoint": self.endpoint.name, "model": model_id})
        if self._windows.get(model_id) is None:
            text = mark(
                "The server {endpoint} does not tell how long the window is; {window} tokens are assumed."
            )
            yield Note(text, {"endpoint": self.endpoint.name, "window": DEFAULT_WINDOW})

    def note_contact(self, fault: GlmcoreError | None) -> None:
        """Remember how asking the server ended; what was wrong with a request is no trouble of the server."""
        self.trouble = fault if type(fault) is EngineError else None

    def look_soon(self) -> None:
        """Look at the list in the background where the last look is some time ago."""
        pause = LOOK_AGAIN_SECONDS if self.fault or self.trouble else LOOK_EVERY_SECONDS
        if time.monotonic() - self._looked_at < pause or self._looking.locked():
            return
        threading.Thread(target=self.look, name=f"list-{self.endpoint.name}", daemon=True).start()

    def look(self) -> None:
        """Look at the list now, or wait for the look that is under way."""
        asked_at = time.monotonic()
        with self._looking:
            if self._looked_at > asked_at:
                return
            try:
                self._windows = asyncio.run(self._fetch())
                fault = None
            except Exception as error:
                fault = self._explain(error)
                log.info("the models of %s could not be listed: %s", self.endpoint.name, fault)
                self.note_contact(None if status_of(error) in LIST_ONLY else fault)
            else:
                self.note_contact(None)
            self.fault, self._looked_at, self.was_looked_at = fault, time.monotonic(), True

    async def _fetch(self) -> dict[str, int | None]:
        async with open_client(self.endpoint, self._timeout) as client:
            page: Any = await client.models.list()
        if not isinstance(getattr(page, "data", None), list):
            raise garbage(self.endpoint)
        found = {str(model.id): _window(model) for model in page.data[:MOST_MODELS] if _is_nameable(model)}
        return dict(sorted(found.items()))

    def _explain(self, error: Exception) -> GlmcoreError:
        if status_of(error) in NO_LIST:
            return EngineError(
                "The server {endpoint} ({url}) does not list its models; name one as MODEL@{endpoint}, "
                "or check the address, which mostly ends in /v1.",
                endpoint=self.endpoint.name,
                url=self.endpoint.url,
            )
        return explain(error, self.endpoint, "", timeout=self._timeout)


def _is_nameable(model: Any) -> bool:
    name = getattr(model, "id", None)
    if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS:
        return False
    return name == name.strip() and name.isprintable() and MARK not in name


def _window(model: Any) -> int | None:
    meta = getattr(model, "meta", None)
    told = [getattr(model, name, None) for name in WINDOW_NAMES]
    told += [meta.get(name) for name in META_NAMES] if isinstance(meta, dict) else []
    counts = (count for count in told if isinstance(count, int) and not isinstance(count, bool))
    return next((count for count in counts if count > 0), None)
