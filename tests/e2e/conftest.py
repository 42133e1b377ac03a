"""A real server with the real embedded model, and a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.dashboard import Dashboard, make_home

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
]


@pytest.fixture
def dashboard(tmp_path: Path, embedded_home: Path) -> Iterator[Dashboard]:
    server = Dashboard(make_home(tmp_path / "home", embedded_home), GLMCORE_DTYPE="float32")
    server.start()
    server.wait_until_ready()
    yield server
    if server.is_running:
        server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-3000:]


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed; `.ci/run` shows how, or leave browser tests out.")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        yield running
        running.close()
