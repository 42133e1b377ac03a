"""What tests of several rooms share."""

import gc
import os
import signal
from pathlib import Path

import pytest

from glmcore.core.settings import EMBEDDED_MODEL, Settings
from tests.sources import ROOT


def pytest_configure() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl+C, and the programs they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def only_new_garbage_is_looked_for() -> None:
    """Trainers and model hosts collect garbage: looking at all of torch again takes half of a tiny run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def embedded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh home folder with the embedded model in it, for `GLMCORE_HOME`; do not change the model.

    The model is made once per machine, in GLMCORE_TEST_HOME or the folder that the dashboard uses too.
    """
    from glmcore.models.fetch.embedded import ensure_embedded_model

    kept = Path(os.environ.get("GLMCORE_TEST_HOME") or ROOT / "data")
    model = ensure_embedded_model(Settings(home=kept))
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    (home / "models" / EMBEDDED_MODEL).symlink_to(model.resolve(), target_is_directory=True)
    return home
