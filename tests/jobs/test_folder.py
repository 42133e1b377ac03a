"""What lies in a job's folder may be anything."""

import os
from pathlib import Path

import pytest

from glmcore.jobs.folder import MOST_TOLD_BYTES, JobFolder, open_log, read_told
from glmcore.tuning.run_folder import write_whole


def test_what_a_job_told_is_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "told", {"code": 0})
    assert read_told(tmp_path / "told") == {"code": 0}


def test_what_would_hold_the_runner_up_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_text("{}" + " " * MOST_TOLD_BYTES)
    assert [read_told(path) for path in (*tmp_path.iterdir(), tmp_path / "gone")] == [{}] * 4


def test_a_log_is_appended_to_and_a_pipe_in_its_place_is_an_error(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    for line in (b"one\n", b"two\n"):
        with open_log(folder) as log:
            log.write(line)
    assert folder.log.read_bytes() == b"one\ntwo\n"
    folder.log.unlink()
    os.mkfifo(folder.log)
    with pytest.raises(OSError, match="No such device"):
        open_log(folder)
