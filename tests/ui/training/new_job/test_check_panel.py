"""The check on the page: when it is made, what is shown of it, and the time that a few steps tell."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.core.errors import DataError, NotEnoughMemoryError
from glmcore.core.notes import Note
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.jobs.checks import FIRST_ROWS, JobChecks
from glmcore.jobs.data_files import DataFiles
from glmcore.jobs.job import JobKind, JobState
from glmcore.tuning.planning.dry_run_report import DryRun
from glmcore.tuning.preview import Piece, PreviewRow
from glmcore.ui.training.new_job import check_panel
from glmcore.ui.training.new_job.draft import STATE_KEY, Draft
from glmcore.ui.training.new_job.token_preview import MOST_PIECES
from tests.jobs.dry_runs import dry_run
from tests.ui.visits import Server


def draw() -> None:
    import streamlit as st

    from glmcore.ui.services import services
    from glmcore.ui.training.new_job.check_panel import is_refused, show_check
    from glmcore.ui.training.new_job.draft import draft

    config, problems, _warnings = draft().to_config()
    show_check(services(), None if problems else config, draft())
    if config is not None and is_refused(services(), config):
        st.caption("Doubted.")


class Panel:
    """One browser tab with the check in it; `found` is what every check finds, or raises."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.settings = server.services.settings
        self.found: DryRun | Exception = dry_run()
        self.num_checks = 0
        self.checks = JobChecks(self.settings, self._look)
        monkeypatch.setattr(check_panel, "job_checks", lambda settings: self.checks)
        self.rows = DataFiles(self.settings).save("rows.jsonl", b'{"prompt": "q", "response": "a"}\n')
        self.at = AppTest.from_function(draw, default_timeout=20).run()

    def _look(self, *_: object) -> DryRun:
        self.num_checks += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    @property
    def draft(self) -> Draft:
        return self.at.session_state[STATE_KEY]

    def set(self, **values: object) -> "Panel":
        self.draft.set(**values)
        self.at.run()
        return self

    def settled(self) -> "Panel":
        """Drawn once more when the check has ended."""
        deadline = time.monotonic() + 10
        while any("progress_activity" in str(one.value) for one in self.at.markdown):
            assert time.monotonic() < deadline
            time.sleep(0.002)
            self.at.run()
        return self

    def ready(self, **values: object) -> "Panel":
        """With a model that is there and data, so that it is checked."""
        folder = Path(self.settings.models_dir) / EMBEDDED_MODEL
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text('{"model_type": "llama"}')
        return self.set(train_file=str(self.rows), **values).settled()

    def click(self, key: str) -> "Panel":
        self.at.button(key=f"new_job_{key}").click().run()
        return self.settled()

    def has(self, key: str) -> bool:
        return any(button.key == f"new_job_{key}" for button in self.at.button)

    def says(self, part: str) -> bool:
        assert not self.at.exception
        kinds = (
            self.at.markdown,
            self.at.caption,
            self.at.error,
            self.at.warning,
            self.at.info,
            self.at.success,
        )
        return any(part in str(one.value).replace("\\", "") for kind in kinds for one in kind)

    def html(self) -> str:
        return "".join(one.proto.body for one in self.at.get("html"))


@pytest.fixture
def panel(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    panel = Panel(server, monkeypatch)
    yield panel
    panel.checks.close()


def test_nothing_is_checked_before_the_fields_are_right(panel: Panel) -> None:
    assert panel.says("as soon as its fields are right") and not panel.num_checks


def test_small_data_is_checked_by_itself_and_once(panel: Panel) -> None:
    panel.ready()
    assert panel.says("It would begin.") and panel.num_checks == 1 and not panel.says("Doubted.")
    assert panel.says("6 steps, 3 per pass over the data") and panel.says("1,000 of 100,000 weights learn")
    assert panel.says("0.08 GiB are needed, 0.98 GiB are free on cpu.")
    panel.set(learning_rate=1e-3, seed=7).settled()
    assert panel.num_checks == 1
    panel.set(lora_rank=4).settled()
    assert panel.num_checks == 2
    assert panel.click("check_again").num_checks == 3


def test_what_would_take_long_waits_for_its_button(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_panel, "SMALL_BYTES", 5)
    panel.ready()
    assert panel.has("check") and not panel.num_checks
    assert panel.click("check").says("It would begin.")


def test_all_rows_are_read_on_request(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_panel, "SMALL_BYTES", 5)
    panel.found = dry_run(num_rows=FIRST_ROWS)  # and the file has not as many
    assert panel.ready().click("check").says("about ")
    panel.click("check_all")
    assert panel.num_checks == 2 and not panel.has("check_all") and panel.says("It would begin.")


def test_a_model_that_is_not_here_is_not_fetched_unasked(panel: Panel) -> None:
    panel.set(train_file=str(panel.rows)).settled()
    assert panel.has("check") and not panel.num_checks


def test_other_files_than_data_sets_are_not_read(panel: Panel, tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("prompt,response\na,b\n")
    panel.ready(validation_file=str(path))
    assert panel.says("not among the data sets") and not panel.num_checks


def test_problems_come_first_and_remarks_apart(panel: Panel) -> None:
    problems = [NotEnoughMemoryError("It needs {much}.", much="9 *GiB*"), DataError("The disk is full.")]
    panel.found = dry_run(problems=problems, notes=(Note("Something is odd."),), num_duplicates=2)
    panel.ready()
    assert [one.value for one in panel.at.error] == [r"It needs 9 \*GiB\*\.", r"The disk is full\."]
    (warning,) = panel.at.warning
    assert "Something is odd" in warning.value and "2 training rows are in the data" in warning.value
    assert not panel.at.success and panel.at.button(key="new_job_estimate").disabled
    assert panel.says("Doubted.")


def test_an_error_is_said_and_can_be_tried_again(panel: Panel) -> None:
    panel.found = DataError("{path} is broken.", path="rows.jsonl")
    panel.ready()
    assert panel.says("rows.jsonl is broken.") and not panel.has("estimate") and panel.says("Doubted.")
    panel.found = dry_run()
    assert panel.click("check_again").says("It would begin.")


def test_the_suggested_limits_are_taken(panel: Panel) -> None:
    panel.ready()
    assert len(panel.at.get("plotly_chart")) == 2 and panel.says("limit 512")
    panel.click("suggested")
    assert (panel.draft.values["max_input_length"], panel.draft.values["max_output_length"]) == (24, 16)
    assert panel.at.button(key="new_job_suggested").disabled and panel.says("limit 24")


def test_tokens_are_shown_as_text_with_their_ids(panel: Panel) -> None:
    panel.ready()
    html = panel.html()
    assert '<span title="1 2">&lt;b&gt;ask↵\n</span>' in html
    assert '<mark title="3">&lt;script&gt;answer</mark>' in html and "<script" not in html
    assert panel.says("1 of 3 tokens learnt")


def test_of_a_long_row_the_middle_is_left_out(panel: Panel) -> None:
    pieces = tuple(Piece(f"t{number} ", (number,), number > 900) for number in range(1000))
    run = dry_run()
    panel.found = type(run)(
        **{name: getattr(run, name) for name in run.__slots__}
        | {"preview": (PreviewRow(1, pieces, 2, True),)}
    )
    panel.ready()
    assert panel.html().count("<span") + panel.html().count("<mark") == MOST_PIECES + 1  # and the legend
    assert f"{1000 - MOST_PIECES} tokens" in panel.html() and "t999 " in panel.html()
    assert panel.says("the 2 oldest turns are cut") and panel.says("the answer is cut")


def write_calibration(folder: Path, began: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    points = [{"loss": 1.0, "time": began + 10 + 2 * step} for step in range(1, 9)]
    points.append({"train_loss": 1.0, "time": began + 27})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))


def test_the_time_is_asked_of_a_few_steps(panel: Panel) -> None:
    panel.ready(forgetting_probe=False, evaluate_every_steps=0).click("estimate")
    jobs = panel.server.services.jobs
    (job,) = jobs.queue.list()
    assert job.kind is JobKind.CALIBRATE and jobs.config_of(job).training.max_steps == 6
    assert panel.says("Waiting for a free device")
    claimed = jobs.queue.claim("here", "me", lambda queued, live: (queued[0], ("cpu",)))
    assert claimed is not None and claimed.claimed_at is not None
    write_calibration(jobs.folder(job.id).path, claimed.claimed_at)
    jobs.queue.end(claimed, JobState.FINISHED, 0)
    panel.at.run()
    # Six steps of 2 s, loaded in 10 s and saved in 1 s.
    assert panel.says("about **0:00:23**") and panel.says("loading 0:00:10, training 0:00:12, saving 0:00:01")
    assert not jobs.queue.list() and not jobs.folder(job.id).path.exists()
    panel.set(lora_rank=4).settled()
    assert not panel.says("It would take about") and panel.has("estimate")


def test_steps_that_fail_are_said(panel: Panel) -> None:
    panel.ready().click("estimate")
    jobs = panel.server.services.jobs
    (job,) = jobs.queue.list()
    claimed = jobs.queue.claim("here", "me", lambda queued, live: (queued[0], ("cpu",)))
    assert claimed is not None
    jobs.queue.end(claimed, JobState.FAILED, 1)
    panel.at.run()
    assert panel.says("did not end well (failed)") and panel.has("estimate")
    assert jobs.queue.list() == [jobs.queue.get(job.id)]  # kept, for its log


def test_asking_for_the_time_can_be_taken_back(panel: Panel) -> None:
    panel.ready().click("estimate").click("estimate_cancel")
    (job,) = panel.server.services.jobs.queue.list()
    assert job.state is JobState.STOPPED and panel.has("estimate")


def test_a_rerun_that_changes_nothing_is_quick(panel: Panel) -> None:
    panel.ready()
    began = time.process_time()
    panel.at.run()
    assert time.process_time() - began < 1.0 and panel.num_checks == 1  # 0.05 s on a quiet machine
