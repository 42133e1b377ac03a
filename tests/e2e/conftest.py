"""A real server with the real embedded model, and a real browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
START_SECONDS, READY_SECONDS = 60, 180


class Dashboard:
    """`streamlit run Home.py` as a process of its own, on a home folder that outlives it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.log = home / "server.log"
        self._environment = {**os.environ, "GLMCORE_HOME": str(home), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "Home.py"), "--server.port", str(port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_for("/healthz", START_SECONDS)

    def wait_until_ready(self) -> None:
        self._wait_for("/readyz", READY_SECONDS)

    def stop(self) -> int:
        """End the server as a service manager would; returns its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def _wait_for(self, path: str, seconds: float) -> None:
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + path, timeout=5) as reply:
                    if reply.status == 200:
                        return
            except OSError:
                time.sleep(0.2)
        pytest.fail(f"{path} did not answer; the server's log:\n{self.log.read_text()[-3000:]}")


def make_home(folder: Path, embedded_home: Path) -> Path:
    """A home folder of its own that shares the prepared model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to(embedded_home / "models")
    return folder


@pytest.fixture
def dashboard(tmp_path: Path, embedded_home: Path) -> Iterator[Dashboard]:
    server = Dashboard(make_home(tmp_path / "home", embedded_home), GLMCORE_DTYPE="float32")
    server.start()
    server.wait_until_ready()
    yield server
    if server._process is not None and server._process.poll() is None:
        server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-3000:]


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed; `.ci/run` shows how, or leave browser tests out.")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()
