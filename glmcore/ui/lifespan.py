"""Around the dashboard's life: what begins does so after the first page, and the end stores what runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from glmcore.api.measures.log_form import configure_logging
from glmcore.core.errors import GlmcoreError
from glmcore.server.life import ServerLife, living
from glmcore.ui.services import services, settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BEGIN_AFTER_SECONDS = 1.0  # lets the first page be drawn before the libraries are imported

life = ServerLife(services)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    with suppress(GlmcoreError):  # said when the services are opened
        configure_logging(settings())
    async with living(life, begin_after=BEGIN_AFTER_SECONDS):
        yield


def build_dashboard_api() -> "ASGIApp":
    """The API on the services of the pages."""
    from glmcore.api.app import build_api

    return build_api(services, life.is_ending)
