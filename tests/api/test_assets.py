"""plotly.js over HTTP in this process."""

from starlette.applications import Starlette
from starlette.testclient import TestClient

from glmcore.api.assets import PLOTLY_URL, asset_routes

client = TestClient(Starlette(routes=asset_routes()))


def test_plotly_is_served_from_the_installed_package_and_kept_for_good() -> None:
    reply = client.get(PLOTLY_URL, headers={"accept-encoding": "identity"})
    assert reply.status_code == 200 and "window.Plotly = Plotly" in reply.text[-200:]
    assert reply.headers["content-type"].startswith("text/javascript")
    assert "immutable" in reply.headers["cache-control"]


def test_plotly_is_sent_compressed_to_a_browser_that_says_so() -> None:
    reply = client.get(PLOTLY_URL, headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip" and reply.headers["vary"] == "accept-encoding"
    assert int(reply.headers["content-length"]) < 2_000_000 < 4_000_000 < len(reply.content)


def test_no_other_file_is_served() -> None:
    others = ("/assets/", "/assets/plotly-0.0.0.min.js", "/assets/../pyproject.toml", f"{PLOTLY_URL}/x")
    assert [client.get(path).status_code for path in others] == [404] * 4
    assert client.post(PLOTLY_URL).status_code == 405
