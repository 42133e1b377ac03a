"""How `serve` treats connections: headers are bounded, and who sends no request is cut off after a while.

uvicorn's quicker parser has no bound for headers, so that one connection could fill the memory with them; and
uvicorn waits for a first request without limit.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST_SECONDS = 30.0


class ImpatientProtocol(H11Protocol):
    """One connection; h11 itself answers headers of more than 64 KiB with 400."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self._look)

    def _look(self) -> None:
        if self.cycle is None:  # no request has come whole
            self.transport.close()
