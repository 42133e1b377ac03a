"""Files that elements of our pages load: plotly.js, out of the installed package, so never from another host.

The address holds the version, so a browser keeps the file for good and fetches another one after an update.
"""

import gzip
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PLOTLY_URL = f"/assets/plotly-{version('plotly')}.min.js"
_FOR_GOOD = "public, max-age=31536000, immutable"


def asset_routes() -> list[Route]:
    return [Route(PLOTLY_URL, _plotly_js)]


async def _plotly_js(request: Request) -> Response:
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    body = await run_in_threadpool(_compressed_plotly_js if compressed else _path_of_plotly_js().read_bytes)
    headers = {"cache-control": _FOR_GOOD, "vary": "accept-encoding", "x-content-type-options": "nosniff"}
    if compressed:
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type="text/javascript")


@cache
def _compressed_plotly_js() -> bytes:
    """A third of its 4.8 MB; kept, since compressing takes longer than anything else that the server does."""
    return gzip.compress(_path_of_plotly_js().read_bytes(), compresslevel=6, mtime=0)


def _path_of_plotly_js() -> Path:
    spec = find_spec("plotly")  # found, not imported: that would take half a second
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
