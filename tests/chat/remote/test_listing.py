"""The models of other servers are listed in the background, under names of their own."""

import socket
import threading
import time

import pytest

from glmcore.chat.model_host import ModelHost
from glmcore.core.errors import ConfigError, EngineError, NotFoundError
from glmcore.core.settings import Settings
from tests.chat.remote.fake_server import running_server


def names(host):
    return [entry.name for entry in host.remote.entries()]


def fault_of(host):
    host.remote.look()
    (fault,) = host.remote.faults()
    return str(fault)


def test_models_come_in_without_anybody_waiting(host, server):
    may_answer = threading.Event()
    lists = server.on_list
    server.on_list = lambda asked: may_answer.wait(5) and lists(asked)
    assert names(host) == [] and host.remote.is_looking()
    may_answer.set()
    deadline = time.monotonic() + 5
    while host.remote.is_looking() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert names(host) == ["chat@lab"]
    (entry,) = [entry for entry in host.entries() if entry.kind == "remote"]
    assert entry.is_ready and entry.detail == f"lab · {server.url}"


def test_names_that_cannot_be_ours_are_left_out(host, server):
    server.lists("b", "org/a:8b", "other@far", "", " x", "a\nb", {"id": 7}, {}, "x" * 999)
    host.remote.look()
    assert names(host) == ["b@lab", "org/a:8b@lab"]


def test_model_of_a_servers_server_is_refused(host):
    with pytest.raises(NotFoundError, match="itself gets from another server"):
        host.find("chat@far@lab")


def test_model_that_is_not_listed_may_be_asked_for_and_says_so(host):
    notes = [note.text for note in host.engine("new@lab").notes]
    assert any("does not list a model new" in note for note in notes)


@pytest.mark.parametrize(
    ("told", "window"),
    [
        ({"max_model_len": 4096}, 4096),
        ({"context_length": 100}, 100),
        ({"meta": {"n_ctx_train": 2048}}, 2048),
        ({"max_model_len": None, "context_window": "9"}, 8192),
        ({}, 8192),
    ],
)
def test_window_is_what_the_server_tells(host, server, told, window):
    server.lists({"id": "chat", **told})
    engine = host.engine("chat@lab")
    assert engine.window == window
    assert any("how long the window is" in note.text for note in engine.notes) == (window == 8192)


def test_server_that_is_gone_keeps_its_last_list_and_is_said(host, server):
    host.remote.look()
    server.on_list = lambda asked: asked.json({"error": "boom"}, 503)
    assert "failed with HTTP 503 (boom)" in fault_of(host)
    assert names(host) == ["chat@lab"]
    with pytest.raises(EngineError, match="HTTP 503"):
        host.engine("chat@lab")


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, {}, "does not let us in"),
        (404, "<html>", "does not list its models"),
        (200, {"models": []}, "OpenAI-compatible"),
        (200, [], "OpenAI-compatible"),
    ],
)
def test_what_is_wrong_with_a_list_is_one_sentence(host, server, status, body, sentence):
    server.on_list = lambda asked: asked.json(body, status)
    assert sentence in fault_of(host)


@pytest.mark.parametrize("status", [404, 500])
def test_server_without_a_list_answers_nevertheless(host, server, status):
    server.on_list = lambda asked: asked.json({}, status)
    assert host.engine("chat@lab").trouble() is None


def test_nobody_there_is_said(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    addresses = {"gone": f"http://127.0.0.1:{port}/v1", "nowhere": "http://no.such.host.invalid/v1"}
    host = ModelHost(Settings(home=tmp_path, endpoints=tuple("=".join(pair) for pair in addresses.items())))
    host.remote.look()
    gone, nowhere = map(str, host.remote.faults())
    assert "gone refuses connections" in gone and "nowhere" in nowhere
    with pytest.raises(EngineError, match="refuses connections"):
        host.engine("chat@gone")


def test_https_where_none_is_spoken_is_said(server, tmp_path):
    url = server.url.replace("http", "https")
    assert "secure connection" in fault_of(ModelHost(Settings(home=tmp_path, endpoints=(f"lab={url}",))))


def test_several_servers_stand_side_by_side(server, tmp_path):
    with running_server() as other:
        settings = Settings(home=tmp_path, endpoints=(f"lab={server.url}", f"far={other.url}/"))
        host = ModelHost(settings)
        host.remote.look()
        assert names(host) == ["chat@lab", "chat@far"]
        engines = [host.engine(name) for name in names(host)]
        assert [engine.model_name for engine in engines] == ["chat@lab", "chat@far"]
        host.close()


def test_adapter_of_this_machine_is_refused(host):
    with pytest.raises(ConfigError, match="answers on another server"):
        host.engine("chat@lab", adapter="mine")


def test_unloading_closes_the_engine_and_asking_again_opens_another(host):
    first = host.engine("chat@lab")
    host.unload("chat@lab")
    assert host.loaded_names() == [] and host.engine("chat@lab") is not first
