"""`/healthz`: the process answers. `/readyz`: a model can answer."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

# The names of the models that can answer, and what is in the way when there is none.
Readiness = Callable[[], tuple[list[str], str]]


def health_routes(readiness: Readiness) -> list[Route]:
    async def healthz(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> JSONResponse:
        models, reason = readiness()
        if models:
            return JSONResponse({"status": "ready", "models": models})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
