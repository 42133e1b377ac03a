import json
from pathlib import Path
from typing import Any

import pytest

from glmcore.jobs.ending import ending_of
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job, JobState, Needs, StopWish

CLAIMED_AT = 1000.0
REASON = {"template": "Memory ran out.", "values": {}}


def job(stop: StopWish | None = None) -> Job:
    return Job(
        id="demo-1",
        name="demo",
        owner="ann",
        config="",
        method="lora",
        base_model="tiny",
        data="",
        needs=Needs(),
        state=JobState.STOPPING if stop else JobState.RUNNING,
        position=0.0,
        stop=stop,
        created_at=0.0,
        queued_at=0.0,
        claimed_at=CLAIMED_AT,
    )


@pytest.mark.parametrize(
    ("status", "code", "stop", "expected"),
    [
        ({"state": "finished"}, 0, None, JobState.FINISHED),
        ({"state": "finished"}, None, None, JobState.FINISHED),  # nobody saw it end, but it had said so
        ({"state": "finished"}, 0, StopWish.SAVE, JobState.FINISHED),  # the wish came too late
        ({"state": "stopped"}, 0, None, JobState.STOPPED),  # by an alert's rule, or a signal
        ({"state": "failed", "reason": REASON}, 2, None, JobState.FAILED),
        ({"state": "failed", "reason": REASON}, 2, StopWish.SAVE, JobState.FAILED),
        ({"state": "running"}, -9, None, JobState.FAILED),
        ({"state": "running"}, -9, StopWish.KILL, JobState.STOPPED),
        ({"state": "running"}, None, None, JobState.LOST),
        ({"state": "running"}, None, StopWish.SAVE, JobState.STOPPED),
        ({"state": "preparing"}, 143, StopWish.SAVE, JobState.STOPPED),
        ({}, 0, None, JobState.FINISHED),
        ({}, 1, None, JobState.FAILED),
        ({}, None, None, JobState.LOST),
    ],
)
def test_state_at_the_end(
    tmp_path: Path, status: dict[str, Any], code: int | None, stop: StopWish | None, expected: JobState
) -> None:
    folder = JobFolder(tmp_path)
    if status:
        folder.status.write_text(json.dumps({"started": CLAIMED_AT + 1, **status}))
    ending = ending_of(job(stop), folder, code)
    assert ending.state is expected
    assert ending.reason == (status.get("reason"))


def test_what_an_earlier_attempt_said_counts_for_nothing(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.status.write_text(json.dumps({"started": CLAIMED_AT - 100, "state": "finished"}))
    assert ending_of(job(), folder, None).state is JobState.LOST


@pytest.mark.parametrize("text", ["", "[]", '{"started": "x"}', "\x00\x00", '{"started": 1e9, "state": 7}'])
def test_a_status_file_of_nonsense_says_nothing(tmp_path: Path, text: str) -> None:
    folder = JobFolder(tmp_path)
    folder.status.write_text(text)
    assert ending_of(job(), folder, None).state is JobState.LOST


@pytest.mark.parametrize(
    "reason",
    ["text", 7, None, {"template": "half"}, {"template": "{x}", "values": {}}, {"template": 1, "values": []}],
)
def test_a_reason_that_is_no_error_is_left_out(tmp_path: Path, reason: Any) -> None:
    folder = JobFolder(tmp_path)
    folder.status.write_text(json.dumps({"started": CLAIMED_AT, "state": "failed", "reason": reason}))
    assert ending_of(job(), folder, 1).reason is None
