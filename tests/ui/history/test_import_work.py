"""An import in a thread beside the page, with stand-ins for reading and storing."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from glmcore.core.errors import DataError, StorageError
from glmcore.ui.history.import_work import KEPT, Imports, ImportWork, Stage, Upload


class FakeFile:
    """What is read, and how often it was imported and removed."""

    def __init__(self) -> None:
        self.imported: list[tuple[bool, str]] = []
        self.num_closed = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.preview: Any = SimpleNamespace(close=self._close)
        self.fault: Exception | None = None

    def _close(self) -> None:
        self.num_closed += 1

    def read(self) -> Any:
        if self.fault is not None:
            raise self.fault
        return self.preview

    def carry_out(self, preview: Any, skip_problems: bool, tag: str, tell: Callable[[int], None]) -> Any:
        assert preview is self.preview
        tell(7)
        assert self.may_go_on.wait(5)
        if self.fault is not None:
            raise self.fault
        self.imported.append((skip_problems, tag))
        return SimpleNamespace(imported=1)

    def work(self) -> ImportWork:
        return ImportWork("chats.json", self.read, self.carry_out)


def wait(work: ImportWork) -> Stage:
    deadline = time.monotonic() + 5
    while work.state.stage.is_busy:
        assert time.monotonic() < deadline, "the import does not end"
        time.sleep(0.001)
    return work.state.stage


def test_nothing_is_imported_before_somebody_asked() -> None:
    file = FakeFile()
    work = file.work()
    assert wait(work) is Stage.READ and not file.imported
    work.carry_out(skip_problems=True, tag="new")
    assert wait(work) is Stage.DONE and file.imported == [(True, "new")]
    assert work.state.tag == "new" and work.state.report is not None and work.state.num_done == 7


def test_pressing_twice_imports_once() -> None:
    file = FakeFile()
    work = file.work()
    wait(work)
    file.may_go_on.clear()
    for _press in range(3):
        work.carry_out(skip_problems=True)
    assert work.state.stage is Stage.IMPORTING
    file.may_go_on.set()
    wait(work)
    work.carry_out(skip_problems=True)
    assert wait(work) is Stage.DONE and len(file.imported) == 1


def test_a_file_that_cannot_be_read_ends_with_its_sentence() -> None:
    file = FakeFile()
    file.fault = DataError("{name}: no chats.", name="chats.json")
    work = file.work()
    assert wait(work) is Stage.FAILED and work.state.error is file.fault
    work.carry_out(skip_problems=True)
    assert not file.imported


def test_a_fault_of_ours_is_said_and_kept_from_the_page() -> None:
    file = FakeFile()
    file.fault = RuntimeError("odd")
    work = file.work()
    assert wait(work) is Stage.FAILED and "fault of this program" in str(work.state.error)


def test_an_import_that_broke_off_can_be_asked_for_again() -> None:
    file = FakeFile()
    work = file.work()
    wait(work)
    file.fault = StorageError("The disk is full.")
    work.carry_out(skip_problems=True)
    assert wait(work) is Stage.READ and str(work.state.error) == "The disk is full."
    file.fault = None
    work.carry_out(skip_problems=True)
    assert wait(work) is Stage.DONE and work.state.error is None and file.num_closed == 1


def test_what_nobody_works_on_is_removed_in_the_end() -> None:
    file, kept = FakeFile(), Imports()
    tickets = [kept.add(file.work())]
    first = kept.find(tickets[0])
    assert first is not None
    wait(first)
    for _number in range(KEPT):
        work = file.work()
        wait(work)
        tickets.append(kept.add(work))
    assert file.num_closed == 1 and kept.find(tickets[0]) is None
    kept.forget(tickets[1])
    kept.forget("unknown")
    assert file.num_closed == 2 and kept.find(tickets[1]) is None


def test_a_running_import_is_not_forgotten() -> None:
    file, kept = FakeFile(), Imports()
    work = file.work()
    ticket = kept.add(work)
    wait(work)
    file.may_go_on.clear()
    work.carry_out(skip_problems=True)
    kept.forget(ticket)
    assert kept.find(ticket) is work and file.num_closed == 0
    file.may_go_on.set()
    wait(work)


def test_an_upload_has_a_harmless_name_and_leaves_nothing() -> None:
    for name, kept in (("../../etc/passwd", "passwd"), ("..", "file"), ("a b<c>.json", "a_b_c_.json")):
        upload = Upload(name, b"[]")
        assert upload.path.name == kept and upload.path.read_bytes() == b"[]"
        upload.remove()
        assert not upload.path.parent.exists()
