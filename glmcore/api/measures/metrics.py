"""`/metrics`: what the server measures of itself, for Prometheus."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import choose_encoder

from glmcore.api.callers import MetricsCaller
from glmcore.api.measures.counters import Counters

router = APIRouter()


@router.get("/metrics", summary="Measures for Prometheus", response_class=PlainTextResponse)
def metrics(request: Request, caller: MetricsCaller) -> Response:
    counters: Counters = request.app.state.counters
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(counters.registry), headers={"content-type": content_type})
