"""The choice of device and number format."""

import pytest

from glmcore.core.errors import ConfigError
from glmcore.models.places import devices
from glmcore.models.places.devices import Device, choose_device, choose_dtype, describe_devices

CPU = Device("cpu", "", 8, 8)
GPUS = [Device("cuda:0", "", 3, 10), Device("cuda:1", "", 7, 10)]


def test_this_machine_has_a_cpu_with_memory():
    cpu = describe_devices()[-1]
    assert cpu.name == "cpu"
    assert 0 < cpu.free_bytes <= cpu.total_bytes


@pytest.mark.parametrize(
    ("requested", "expected"), [("auto", "cuda:1"), ("cuda", "cuda:1"), ("cuda:0", "cuda:0"), ("cpu", "cpu")]
)
def test_gpu_with_most_free_memory_is_chosen_unless_one_is_named(requested, expected):
    assert choose_device(requested, [*GPUS, CPU]).name == expected


def test_absent_device_is_an_error_that_names_those_there_are():
    with pytest.raises(ConfigError, match="'cuda' is not here; this machine has cpu"):
        choose_device("cuda", [CPU])


@pytest.mark.parametrize(
    ("requested", "device", "stored", "is_native", "expected"),
    [
        ("auto", "cpu", "float32", True, "float32"),
        ("auto", "cpu", "bfloat16", True, "bfloat16"),
        ("auto", "cpu", "float16", True, "bfloat16"),
        ("auto", "cpu", "bfloat16", False, "float32"),
        ("auto", "cuda:0", "bfloat16", True, "bfloat16"),
        ("auto", "cuda:0", "bfloat16", False, "float16"),
        ("auto", "cuda:0", "float16", True, "float16"),
        ("auto", "mps", "bfloat16", False, "bfloat16"),
        ("float16", "cpu", "float32", True, "float16"),
    ],
)
def test_number_format_follows_the_checkpoint_and_the_device(
    monkeypatch, requested, device, stored, is_native, expected
):
    monkeypatch.setattr(devices, "_has_cpu_bfloat16", lambda: is_native)
    monkeypatch.setattr(devices, "_has_cuda_bfloat16", lambda: is_native)
    assert choose_dtype(requested, device, stored) == expected


def test_memory_limit_of_a_container_is_honoured(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert devices._container_memory(tmp_path) == (1000, 450)


def test_container_without_a_limit_has_none(tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    assert devices._container_memory(tmp_path) is None
    assert devices._container_memory(tmp_path / "absent") is None
