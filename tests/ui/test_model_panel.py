"""Models on the pages: offered, loaded, failed and tried again, unloaded; loading is visible."""

import threading
import time
from pathlib import Path

import pytest

from glmcore.core.errors import ModelLoadError, NotEnoughMemoryError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.ui import model_panel
from tests.fakes import FakeEngine
from tests.ui.visits import Server, Visit, forget_services


@pytest.fixture
def slow_load(server: Server):
    """Loading that stands at a quarter until the event is set."""
    go_on, begun = threading.Event(), threading.Event()

    def build(entry, settings, progress) -> FakeEngine:
        progress(mark("Warming up"), 0.25)
        begun.set()
        assert go_on.wait(10)
        return server.engine

    server.build = build
    server.services.models.start_loading(EMBEDDED_MODEL)
    assert begun.wait(5)
    yield go_on
    go_on.set()
    server.load_model()


def wait_until_loaded(server: Server) -> None:
    deadline = time.monotonic() + 5
    while True:
        state = server.services.models.state(EMBEDDED_MODEL)
        if state is not None and (state.is_ready or state.error):
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("page", ["overview", "chat"])
def test_loading_is_visible_and_then_over(server: Server, slow_load: threading.Event, page: str) -> None:
    visit = Visit(server, page=page)
    assert visit.at.progress[0].value == 25
    assert visit.at.progress[0].text.replace("\\", "") == f"{EMBEDDED_MODEL}: Warming up"
    slow_load.set()
    wait_until_loaded(server)
    visit.at.run()
    assert not visit.at.progress


def test_loading_speaks_the_readers_language(server: Server, slow_load: threading.Event) -> None:
    assert "Warming up" not in Visit(server, locale="zh-CN").at.progress[0].text


@pytest.mark.parametrize("page", ["overview", "chat"])
def test_failed_load_is_said_and_can_be_tried_again(server: Server, page: str) -> None:
    def fail(*arguments: object) -> None:
        raise NotEnoughMemoryError("It needs {need} GB; {free} GB are free.", need=12.4, free=9.8)

    server.build = fail
    with pytest.raises(NotEnoughMemoryError):
        server.load_model()
    visit = Visit(server, page=page)
    assert visit.says("It needs 12.4 GB; 9.8 GB are free.")
    server.build = lambda *arguments: server.engine
    visit.click(f"retry_{EMBEDDED_MODEL}")
    wait_until_loaded(server)
    visit.at.run()
    assert not visit.at.error


def test_unexpected_fault_while_loading_is_a_sentence_too(server: Server) -> None:
    server.build = lambda *arguments: 1 / 0
    with pytest.raises(Exception, match="division"):
        server.load_model()
    visit = Visit(server)
    assert visit.says("could not be loaded") and not visit.at.exception


def test_model_is_loaded_and_unloaded_by_buttons(server: Server) -> None:
    visit = Visit(server, page="overview")
    visit.click(f"load_{EMBEDDED_MODEL}")
    wait_until_loaded(server)
    visit.at.run()
    assert visit.says("ready")
    visit.click(f"unload_{EMBEDDED_MODEL}")
    assert server.engine.is_closed
    assert visit.has(f"load_{EMBEDDED_MODEL}")


def test_notes_of_the_engine_are_shown_with_the_chat(server: Server) -> None:
    server.engine.notes = (Note("Answers one request at a time."),)
    server.load_model()
    assert "Answers one request at a time." in Visit(server).shown()


def add_model(server: Server, name: str) -> None:
    folder = Path(server.services.settings.models_dir) / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')


def test_picked_model_is_loaded_and_answers(server: Server) -> None:
    add_model(server, "second")
    visit = Visit(server)
    visit.at.selectbox(key="model").select("second").run()
    assert server.services.models.state("second") is not None
    visit.ask("Why?")
    assert server.requests[-1].model == "second"
    assert server.conversations()[0].model == "second"


def test_a_conversation_whose_model_has_gone_says_so_and_goes_on_with_the_usual_one(server: Server) -> None:
    conversation = server.add_conversation("Why?", "So.", model="gone")
    visit = Visit(server, conversation)
    assert visit.at.selectbox(key="model").value == EMBEDDED_MODEL
    assert "The model gone answered here before" in visit.at.warning[0].value
    visit.click("new_chat")
    assert not visit.at.warning


@pytest.mark.parametrize("exists", [True, False])
def test_configured_model_outside_the_folders_is_listed(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, exists: bool
) -> None:
    elsewhere = tmp_path / "else_where" / "my_model"
    if exists:
        elsewhere.mkdir(parents=True)
        (elsewhere / "config.json").write_text('{"model_type": "glm"}')
    monkeypatch.setenv("GLMCORE_MODEL", str(elsewhere))
    forget_services()
    visit = Visit(server, page="overview")
    assert f"**{elsewhere}**" in visit.shown()
    visit.click(f"load_{elsewhere}")
    if exists:
        server.load_model(str(elsewhere))
    else:
        with pytest.raises(ModelLoadError):
            server.load_model(str(elsewhere))
    visit.at.run()
    assert visit.says("ready" if exists else "there is no such model folder")


def test_model_that_must_be_fetched_says_so(server: Server) -> None:
    assert Visit(server, page="overview").says("fetched from the package index")
    assert not Visit(server, page="overview", locale="zh-CN").says("fetched")


def test_size_is_shown(server: Server) -> None:
    add_model(server, "second")
    (server.services.settings.models_dir / "second" / "model.safetensors").write_bytes(b"0" * 20_000_000)
    assert Visit(server, page="overview").says("Llama · 0.02 GB on disk")
    assert model_panel.REFRESH_SECONDS <= 1
