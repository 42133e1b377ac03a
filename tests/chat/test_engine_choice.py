"""Which engine answers: the one asked for, else openvino where nothing computes on a GPU and it can."""

import subprocess
import sys
from pathlib import Path

import pytest

from glmcore.chat import engine_choice
from glmcore.chat.engine_choice import choose_engine, engines_for
from glmcore.core.errors import ConfigError, ModelLoadError
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry, openvino
from glmcore.models.places.devices import Device

GGUF = ModelEntry("small.gguf", Path("small.gguf"), "gguf", 1, is_ready=True)
SAFETENSORS = ModelEntry("big", Path("big"), "folder", 1, is_ready=True)
CONVERTED = ModelEntry("ov", Path("ov"), "folder", 1, is_ready=True, detail="OpenVINO")
REMOTE = ModelEntry("chat@lab", None, "remote", None, is_ready=True)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine without a GPU, where openvino can have what is not in safetensors."""
    reason = ModelLoadError("It lies in safetensors.")
    monkeypatch.setattr(
        openvino, "reason_against", lambda entry, settings: reason if entry is SAFETENSORS else None
    )
    monkeypatch.setattr(engine_choice, "has_gpu", lambda: False)


def test_openvino_answers_on_a_cpu_with_what_it_can_have() -> None:
    assert choose_engine(GGUF, Settings()) == "openvino"
    assert choose_engine(GGUF, Settings(device="cpu")) == "openvino"
    assert choose_engine(SAFETENSORS, Settings()) == "transformers"


def test_transformers_answers_where_there_is_a_gpu_unless_the_cpu_is_wanted(monkeypatch) -> None:
    monkeypatch.setattr(engine_choice, "has_gpu", lambda: True)
    assert choose_engine(GGUF, Settings()) == "transformers"
    assert choose_engine(GGUF, Settings(device="cuda")) == "transformers"
    assert choose_engine(GGUF, Settings(device="cpu")) == "openvino"


@pytest.mark.parametrize("wish", [{"quantize": "4"}, {"dtype": "float32"}])
def test_who_wants_certain_numbers_gets_them_from_transformers(wish: dict[str, str]) -> None:
    assert choose_engine(GGUF, Settings(**wish)) == "transformers"


def test_what_is_asked_for_goes_before_the_settings_and_those_before_the_automatic_one() -> None:
    assert choose_engine(GGUF, Settings(engine="transformers")) == "transformers"
    assert choose_engine(GGUF, Settings(engine="transformers"), "openvino") == "openvino"
    assert choose_engine(GGUF, Settings(device="cuda", engine="openvino")) == "openvino"


@pytest.mark.parametrize("settings", [Settings(), Settings(engine="openvino")])
def test_an_engine_that_cannot_have_the_model_is_refused_with_the_reason(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"cannot answer with big; .* transformers\. It lies in") as raised:
        choose_engine(SAFETENSORS, settings, "openvino")
    assert raised.value.values["param"] == "engine"
    with pytest.raises(ConfigError, match="which transformers cannot read"):
        choose_engine(CONVERTED, settings, "transformers")
    with pytest.raises(ConfigError, match="engine is 'vllm'; expected one of transformers, openvino"):
        choose_engine(GGUF, settings, "vllm")


def test_openvinos_own_folders_are_answered_by_it_wherever_they_are(monkeypatch) -> None:
    monkeypatch.setattr(engine_choice, "has_gpu", lambda: True)
    assert choose_engine(CONVERTED, Settings()) == "openvino"


def test_a_model_of_another_server_has_that_servers_engine() -> None:
    assert choose_engine(REMOTE, Settings(engine="openvino")) == "remote"
    with pytest.raises(ConfigError, match="answers on another server"):
        choose_engine(REMOTE, Settings(), "transformers")


def test_the_engines_to_choose_from_are_those_that_can_have_the_model() -> None:
    found = [engines_for(entry, Settings()) for entry in (GGUF, SAFETENSORS, CONVERTED, REMOTE)]
    assert found == [("transformers", "openvino"), ("transformers",), ("openvino",), ()]


def test_where_no_gpu_can_be_torch_is_not_asked(monkeypatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(engine_choice, "describe_devices", lambda: pytest.fail("asked"))
    monkeypatch.setattr(engine_choice.sys, "platform", "linux")
    monkeypatch.setattr(engine_choice, "GPU_FILES", ("/no/such/device",))
    engine_choice.has_gpu.cache_clear()
    assert not engine_choice.has_gpu()


@pytest.mark.parametrize(
    ("names", "found"), [(["cuda:0", "cpu"], True), (["mps", "cpu"], True), (["cpu"], False)]
)
def test_where_a_gpu_may_be_torch_knows(monkeypatch, tmp_path, names, found) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(engine_choice, "GPU_FILES", (str(tmp_path),))
    devices = [Device(name, "", 1, 1) for name in names]
    monkeypatch.setattr(engine_choice, "describe_devices", lambda: devices)
    engine_choice.has_gpu.cache_clear()
    try:
        assert engine_choice.has_gpu() is (len(names) > 1)
    finally:
        engine_choice.has_gpu.cache_clear()


def test_choosing_imports_no_heavy_library() -> None:
    program = """
import sys
from glmcore.chat import engine_choice
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry
engine_choice.GPU_FILES = ()
engine_choice.choose_engine(ModelEntry("m", None, "embedded", None, is_ready=False), Settings())
print([name for name in ("torch", "transformers", "openvino", "openvino_genai") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
