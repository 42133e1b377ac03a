"""Every HTTP response tells the browser what it may fetch."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from glmcore.api.security import ContentPolicy


def test_pictures_come_from_this_server_only():
    async def page(request):
        return PlainTextResponse("page", headers={"x-kept": "yes"})

    client = TestClient(Starlette(routes=[Route("/", page)], middleware=[Middleware(ContentPolicy)]))
    reply = client.get("/")
    assert "img-src 'self' data: blob:" in reply.headers["content-security-policy"]
    assert reply.headers["x-kept"] == "yes"
    assert client.get("/nowhere").headers["content-security-policy"]
