"""The `openai` client for one server, kept from the environment's own ideas of where and as whom to ask."""

import ipaddress
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from glmcore.core.endpoints import Endpoint

if TYPE_CHECKING:
    from ssl import SSLContext

    from httpx2 import Request
    from openai import AsyncOpenAI

CONNECT_SECONDS = 10.0  # a server that takes longer to say hello is not there
LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})


def open_client(endpoint: Endpoint, timeout: float) -> "AsyncOpenAI":
    """A client that tries once: who asks decides about asking again.

    Args:
        timeout: seconds that the server may be silent.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, omit

    key = endpoint.key()
    # What the library would else take from OPENAI_… variables, meant for another server.
    headers: dict[str, Any] = {"OpenAI-Organization": omit, "OpenAI-Project": omit}
    http = DefaultAsyncHttpxClient(
        timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        # A kept connection may be closed by the server just as it is used, and a question would be lost.
        limits=httpx2.Limits(max_keepalive_connections=0),
        verify=_certificates(),
        trust_env=not is_this_machine(endpoint.url),
        event_hooks={"request": [] if key else [_leave_out_key]},
    )
    return AsyncOpenAI(
        base_url=endpoint.url,
        api_key=key or "none",  # the client insists on one
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        max_retries=0,
        default_headers=cast(dict[str, str], headers),
        http_client=http,
    )


@cache
def _certificates() -> "SSLContext":
    """Those that this machine trusts; reading them takes longer than asking a server."""
    import httpx2

    return httpx2.create_ssl_context()


async def _leave_out_key(request: "Request") -> None:
    """No header at all: some servers refuse a key where none is needed."""
    request.headers.pop("authorization", None)


def is_this_machine(url: str) -> bool:
    """Whether a proxy would be wrong whatever the environment says."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOCAL_NAMES
