import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glmcore.history import open_history
from glmcore.history.training_sets import TrainingSetChoice, list_training_sets, verify, write_training_set
from tests.history.training_sets.teller import OWNER, Teller

KILLS = 30
WRITER = """
import sys
from itertools import count
from pathlib import Path
from glmcore.history import open_history
from glmcore.history.training_sets import TrainingSetChoice, write_training_set

store = open_history(sys.argv[1])
print("ready", flush=True)
for seed in count(int(sys.argv[3]) * 1000):
    write_training_set(store, "ann", "good", TrainingSetChoice(seed=seed), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_whole_sets_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'glmcore.db'}"
    store = open_history(url)
    teller = Teller(store)
    for number in range(20):
        teller.answer(teller.ask(f"question {number}"), "text " * 200, thumb=1)
    for kill in range(KILLS):
        command = [sys.executable, "-c", WRITER, url, str(tmp_path), str(kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(0.0017 * kill)  # somewhere inside a write, elsewhere each time
            os.kill(writer.pid, signal.SIGKILL)
        found, problems = list_training_sets(tmp_path)
        assert problems == []
        assert [fault for each in found for fault in verify(each)] == []
    last = write_training_set(store, OWNER, "good", TrainingSetChoice(seed=9), tmp_path)
    store.close()
    versions = sorted(path.name for path in last.folder.parent.iterdir())
    assert versions == sorted([".lock", *(str(number + 1) for number in range(last.version))])
    assert last.version > KILLS / 2
