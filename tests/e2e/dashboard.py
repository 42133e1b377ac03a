"""The dashboard as a process of its own, for browser tests and benchmarks."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            str(ROOT / "Home.py"),
            "--server.port",
            str(port),
        ]
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

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

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
        raise AssertionError(f"{path} did not answer; the server's log:\n{self.log.read_text()[-3000:]}")


def make_home(folder: Path, embedded_home: Path) -> Path:
    """A home folder of its own that shares the prepared model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to(embedded_home / "models")
    return folder
