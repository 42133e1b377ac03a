"""Pages open without torch: each in a fresh interpreter, with the real services on a fresh home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT
from tests.ui.training_runs import write_run

OPEN = """
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file(sys.argv[1] + "/glmcore/ui/router.py", default_timeout=60).run()
if sys.argv[2] != "overview":
    at.switch_page(f"{sys.argv[1]}/pages/{sys.argv[2]}.py").run()
assert not at.exception and not at.error, (at.exception, at.error)
heavy = {"torch", "transformers", "accelerate", "datasets", "peft"} & set(sys.modules)
print(len(at.button) + len(at.title), sorted(heavy))
"""


@pytest.mark.parametrize("page", [path.stem for path in sorted(ROOT.glob("pages/*.py"))])
def test_page_opens_without_torch(page: str, tmp_path: Path) -> None:
    write_run(tmp_path / "jobs" / "one")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GLMCORE_")}
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(ROOT), page],
        cwd=tmp_path,
        env={**environment, "GLMCORE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    elements, _, heavy = done.stdout.strip().partition(" ")
    assert int(elements) >= 1 and heavy == "[]"
