"""Runs and their curves over HTTP."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from glmcore.keys import Right
from glmcore.server.services import Services


def write_run(folder: Path, name: str, points: list[dict[str, Any]]) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "metrics.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))


@pytest.fixture
def run_id(services: Services, client: TestClient) -> str:
    points = [
        {"step": step, "loss": 100.0 if step == 700 else 5 / step, "epoch": step / 100, "time": 1.7e9 + step}
        for step in range(1, 1001)
    ]
    points[4]["loss"] = math.nan
    points += [{"step": 1000, "eval_loss": 0.5, "time": 1.7e9 + 1001}]
    write_run(services.settings.jobs_dir, "demo-1", points)
    return str(client.get("/api/runs").json()["runs"][0]["id"])


def test_a_server_without_runs_says_so(client: TestClient) -> None:
    assert client.get("/api/runs").json() == {"runs": [], "total": 0}


def test_runs_are_listed_and_told(client: TestClient, run_id: str) -> None:
    page = client.get("/api/runs").json()
    (told,) = page["runs"]
    assert (told["job_id"], told["last_step"], told["state"]) == ("demo-1", 1000.0, "running")
    assert {"loss", "eval_loss"} <= set(told["metrics"])
    detail = client.get(f"/api/runs/{run_id}").json()
    assert detail["findings"] and all(one["text"] for one in detail["findings"])
    assert client.get("/api/runs?offset=1").json() == {"runs": [], "total": 1}


def test_a_curve_is_thinned_and_no_spike_is_lost(client: TestClient, run_id: str) -> None:
    asked = {"names": ["loss", "eval_loss"], "max_points": 50, "axis": "epoch"}
    told = client.get(f"/api/runs/{run_id}/metrics", params=asked).json()
    loss, *_ = told["curves"]
    assert (loss["name"], loss["num_points"], loss["num_lost"]) == ("loss", 1000, 1)
    assert len(loss["steps"]) == len(loss["x"]) == len(loss["values"]) <= 50
    assert max(loss["values"]) == 100.0 and (loss["steps"][0], loss["steps"][-1]) == (1.0, 1000.0)
    assert loss["x"][-1] == 10.0
    usual = client.get(f"/api/runs/{run_id}/metrics").json()
    assert {"loss", "eval_loss"} <= {one["name"] for one in usual["curves"]} and usual["axis"] == "step"


def test_what_is_not_there_or_out_of_range_is_refused(client: TestClient, run_id: str) -> None:
    expected = {
        "/api/runs/nobody": 404,
        "/api/runs/%00/metrics": 404,
        f"/api/runs/{run_id}/metrics?names=banana": 404,
        f"/api/runs/{run_id}/metrics?names=%ff%00": 404,
        f"/api/runs/{run_id}/metrics?max_points=5": 422,
        f"/api/runs/{run_id}/metrics?max_points={10**20}": 422,
        f"/api/runs/{run_id}/metrics?axis=moon": 422,
        "/api/runs?limit=0": 422,
        f"/api/runs?offset={10**20}": 422,
    }
    assert {path: client.get(path).status_code for path in expected} == expected


def test_names_that_are_no_text_are_shown_as_far_as_they_are(services: Services, client: TestClient) -> None:
    write_run(services.settings.jobs_dir, "odd", [{"step": 1, "\ud800": 1.0}, {"step": 2, "\ud800": 1e308}])
    (run,) = client.get("/api/runs").json()["runs"]
    assert run["metrics"] == ["?"]
    assert client.get(f"/api/runs/{run['id']}").status_code == 200
    assert client.get(f"/api/runs/{run['id']}/metrics").status_code == 200


def test_curves_need_the_right_for_jobs(services: Services, client: TestClient) -> None:
    _key, chat = services.keys.make("chat", rights={Right.CHAT, Right.HISTORY})
    client.headers["Authorization"] = f"Bearer {chat}"
    assert client.get("/api/runs").status_code == 403
