"""`/healthz`: the process answers. `/readyz`: a model can answer, or what is in the way."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from glmcore.server.readiness import Readiness


def health_routes(readiness: Callable[[], Readiness]) -> list[Route]:
    async def healthz(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> JSONResponse:
        now = await run_in_threadpool(readiness)  # may have to open the database first
        if now.models:
            return JSONResponse({"status": "ready", "models": now.models})
        return JSONResponse({"status": "not ready", "reason": now.reason}, status_code=503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
