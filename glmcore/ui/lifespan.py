"""Around the server's life: the model is loaded behind the open port, old conversations are forgotten, and
answers are stored at the end.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from glmcore.core.errors import GlmcoreError
from glmcore.history.retention import RetentionClock, RetentionRules
from glmcore.ui.services import services

log = logging.getLogger("glmcore")

PRELOAD_AFTER_SECONDS = 1.0  # lets the first page be drawn before the libraries are imported


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    retention = RetentionClock()
    warm_up = asyncio.create_task(_preload(retention))
    try:
        yield
    finally:
        warm_up.cancel()
        await asyncio.to_thread(_close, retention)


def readiness() -> tuple[list[str], str]:
    """The loaded models, and what is in the way when there is none."""
    try:
        shared = services()
    except GlmcoreError as error:
        return [], str(error)
    state = shared.models.state(shared.settings.model)
    reason = "no model has been asked for" if state is None else str(state.error or state.stage or "loading")
    return shared.models.loaded_names(), reason


async def _preload(retention: RetentionClock) -> None:
    await asyncio.sleep(PRELOAD_AFTER_SECONDS)
    try:
        shared = await asyncio.to_thread(services)
    except GlmcoreError as error:
        log.error("%s", error)  # the pages say it too
        return
    shared.curves.watch.start()
    shared.job_runner.start()
    retention.start(shared.history.database, RetentionRules.of(shared.settings))
    if shared.settings.preload:
        shared.models.start_loading(shared.settings.model)


def _close(retention: RetentionClock) -> None:
    retention.close()
    try:
        services().close()
    except GlmcoreError as error:
        log.error("%s", error)
