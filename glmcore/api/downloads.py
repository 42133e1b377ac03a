"""`/downloads/<ticket>`: a file that is written while it is fetched, so that none is ever whole in memory.

A ticket is a word that nobody guesses; pages give it out, and it says what is fetched and for whom.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from glmcore.core.errors import GlmcoreError

DOWNLOADS_URL = "/downloads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file by its parts, which are made as they are asked for; not too small, for each is a message."""

    file_name: str
    media_type: str
    parts: Callable[[], Iterable[bytes]]


# What a ticket stands for; None for one that was never given out, or too long ago.
FindDownload = Callable[[str], Download | None]


def download_routes(find: FindDownload) -> list[Route]:
    async def download(request: Request) -> Response:
        found = find(request.path_params["ticket"])
        if found is None:
            text = "This download is no longer offered; go back to the page and press its button again."
            return PlainTextResponse(text, status_code=404)
        try:
            # A fault before the first part can still be said; after it the browser sees a broken download.
            parts = await run_in_threadpool(begun_parts, found)
        except GlmcoreError as error:
            return PlainTextResponse(str(error), status_code=400)
        return StreamingResponse(
            parts, media_type=found.media_type, headers=download_headers(found.file_name)
        )

    return [Route(DOWNLOADS_URL + "/{ticket}", download, methods=["GET"])]


def begun_parts(found: Download) -> Iterator[bytes]:
    parts = iter(found.parts())
    return chain([next(parts, b"")], parts)


def download_headers(file_name: str) -> dict[str, str]:
    return {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file_name)}",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
