from pathlib import Path

import pytest

from glmcore.core.errors import StorageError
from glmcore.jobs.folder import job_folder
from glmcore.jobs.names import job_id_for, new_job_id, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Demo run (v2)", "demo-run-v2"),
        ("../../etc/passwd", "etc-passwd"),
        ("", "job"),
        ("...", "job"),
        ("广告 文案", "广告-文案"),
        ("a" * 100, "a" * 32),
        ("__x__", "x"),
        ("\x00\n", "job"),
    ],
)
def test_a_name_becomes_a_harmless_folder(name: str, expected: str) -> None:
    assert slug(name) == expected
    assert job_folder(Path("jobs"), f"{slug(name)}-1").path == Path("jobs") / f"{expected}-1"


def test_the_id_of_a_request_is_known_before_the_job_is_there() -> None:
    assert new_job_id("demo", "request", lambda _: False) == job_id_for("demo", "request")


def test_an_id_that_is_taken_gets_more_digits() -> None:
    first = job_id_for("demo", "request")
    second = new_job_id("demo", "request", lambda job_id: job_id == first)
    assert second != first and second.startswith(first)


@pytest.mark.parametrize("job_id", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "x/../../y"])
def test_no_id_leads_out_of_the_jobs_folder(job_id: str) -> None:
    with pytest.raises(StorageError, match="nothing was touched"):
        job_folder(Path("jobs"), job_id)
