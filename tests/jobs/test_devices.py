"""Device slots: counted as torch would count them; what a job takes of them, and what its process sees."""

import os
import shlex

import pytest

from glmcore.core.settings import Settings
from glmcore.jobs import devices
from glmcore.jobs.devices import (
    choose_slots,
    list_slots,
    needs_of,
    never_fits,
    parse_gpus,
    slot_environment,
)
from glmcore.jobs.job import Needs
from glmcore.tuning.job_config import DeviceConfig, JobConfig
from glmcore.tuning.planning.launch import launch_command

CPU, GPU = Needs(), Needs(kind="cuda")
TWO_GPUS = """0, GPU-5d6c1a2e-93f4-4c1b-8f70-1b6a0e4f2c11
1, GPU-5d7e9b30-02aa-4d2f-a3c5-77d1f0c9e8a4
"""
EIGHT_GPUS = "".join(
    f"{number}, GPU-{number}{number}aa0000-0000-4000-8000-00000000000{number}\n" for number in range(8)
)
FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure it runs.\n"
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.54\n"
MACHINE = ("cpu:0", "cpu:1", "cuda:0", "cuda:1", "cuda:2", "cuda:3")


class Machine:
    """One with an nvidia-smi that prints what it is told."""

    def __init__(self, folder, monkeypatch):
        self.program, self.calls = folder / "nvidia-smi", folder / "calls"
        self.environ = {"PATH": str(folder)}
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(devices, "version", lambda package: "2.13.0")
        self.forget()

    def forget(self):
        """As if the last answer were old."""
        self._monkeypatch.setattr(devices, "_asked", {})

    def grow_old(self):
        self._monkeypatch.setattr(devices, "REFRESH_SECONDS", 0.0)

    def answers(self, text, code=0):
        lines = ["#!/bin/sh", f"echo \"$@\" >> '{self.calls}'", f"echo {shlex.quote(text)}", f"exit {code}"]
        self.program.write_text("\n".join(lines))
        self.program.chmod(0o755)
        return self

    def slots(self, visible=None, **values):
        shown = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
        return list_slots(Settings(**values), self.environ | shown)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def config(**values):
    return JobConfig(devices=DeviceConfig(**values))


# Which slots there are.


def test_a_machine_without_nvidia_smi_has_its_cpu(machine):
    assert machine.slots() == ("cpu:0",)
    assert machine.slots(cpu_jobs=3) == ("cpu:0", "cpu:1", "cpu:2")


@pytest.mark.parametrize(("text", "count"), [(TWO_GPUS, 2), (EIGHT_GPUS, 8)])
def test_each_gpu_is_a_slot(machine, text, count):
    slots = machine.answers(text).slots()
    assert slots == ("cpu:0", *(f"cuda:{number}" for number in range(count)))
    assert machine.calls.read_text() == "--query-gpu=index,uuid --format=csv,noheader,nounits\n"


@pytest.mark.parametrize(
    "text", [FAILED, MISMATCH, "No devices were found", "", "[N/A], [N/A]", "\x00, ,,\n9" * 9]
)
def test_what_is_no_answer_names_no_gpu(text):
    assert parse_gpus(text) == ()


def test_gpus_are_in_the_order_of_their_numbers_whatever_else_is_not_known():
    assert parse_gpus("1, [Unknown Error]\r\n 0 ,[N/A]\r\nGPU is lost\n") == ("[N/A]", "[Unknown Error]")
    assert parse_gpus("9" * 5000 + ", GPU-a\n") == ()


def test_a_program_that_fails_or_hangs_leaves_the_cpu(machine, monkeypatch):
    assert machine.answers(FAILED, code=9).slots() == ("cpu:0",)
    machine.forget()
    machine.program.write_text("no program")
    assert machine.slots() == ("cpu:0",)
    machine.forget()
    monkeypatch.setattr(devices, "ANSWER_SECONDS", 0.05)
    machine.program.write_text("#!/bin/sh\nexec /bin/sleep 5\n")
    assert machine.slots() == ("cpu:0",)


def test_it_is_asked_now_and_then_and_what_it_told_stays_while_it_fails(machine):
    machine.answers(TWO_GPUS).slots()
    machine.answers(EIGHT_GPUS)
    assert len(machine.slots()) == 3
    machine.grow_old()
    assert len(machine.slots()) == 9
    machine.answers(MISMATCH, code=18)
    assert len(machine.slots()) == 9
    assert len(machine.calls.read_text().splitlines()) == 3


def test_a_torch_that_knows_no_gpu_gets_none(machine, monkeypatch):
    machine.answers(TWO_GPUS)
    monkeypatch.setattr(devices, "version", lambda package: "2.13.0+cpu")
    assert machine.slots() == ("cpu:0",)


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        ("", 0),
        ("-1", 0),
        ("0", 1),
        ("1, 0", 2),
        ("1,7,0", 1),  # what follows a name that is none is not read
        ("0,0", 0),
        ("0,-1,1", 1),
        ("none", 0),
        ("9" * 5000, 0),
        ("GPU-5d7e", 1),
        ("GPU-5d6c,GPU-5d7e", 2),
        ("GPU-5d", 0),  # both begin so
        ("GPU-5d6c,GPU-5d6c1", 0),  # the same one twice
        ("GPU-5d6c,GPU-no,GPU-5d7e", 1),
        ("MIG-1f2e,MIG-2f3e", 2),
    ],
)
def test_the_gpus_that_may_be_seen_are_counted_anew(machine, visible, count):
    assert len(machine.answers(TWO_GPUS).slots(visible)) == 1 + count


# What a job takes.


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"device": "cpu"}, CPU),
        ({"device": "cpu", "num_processes": 2}, CPU),
        ({"device": "auto"}, GPU),
        ({"device": "auto", "num_processes": 2}, Needs(kind="cuda", count=2)),
        ({"device": "cuda", "num_processes": 4}, Needs(kind="cuda", count=4)),
        ({"device": "cuda:1"}, Needs(kind="cuda", index=1)),
    ],
)
def test_a_job_takes_a_gpu_for_each_process_or_one_slot_of_the_cpu(values, expected):
    assert needs_of(config(**values), MACHINE) == expected


def test_a_job_that_leaves_it_open_takes_the_cpu_where_there_is_nothing_else():
    assert needs_of(config(), ("cpu:0",)) == CPU
    assert needs_of(config(device="cuda"), ("cpu:0",)) == GPU


def test_the_slots_of_lowest_number_are_chosen():
    free = ["cuda:10", "cuda:9", "cpu:1", "cuda:2"]
    assert choose_slots(CPU, free) == ("cpu:1",)
    assert choose_slots(Needs(kind="cuda", count=2), free) == ("cuda:2", "cuda:9")
    assert choose_slots(Needs(kind="cuda", index=10), free) == ("cuda:10",)
    assert choose_slots(Needs(kind="cuda", index=1), free) is None
    assert choose_slots(Needs(kind="cuda", count=4), free) is None


@pytest.mark.parametrize(
    ("needs", "slots", "said"),
    [
        (GPU, ["cpu:0"], "has none to use"),
        (
            Needs(kind="cuda", index=2),
            ["cuda:0", "cuda:1"],
            "for the GPU cuda:2, but this machine has cuda:0, cuda:1",
        ),
        (Needs(kind="cuda", count=2), ["cuda:0"], "needs 2 GPUs at once, but this machine has cuda:0; lower"),
    ],
)
def test_what_a_machine_can_never_give_is_one_sentence(needs, slots, said):
    assert said in str(never_fits(needs, slots))
    assert never_fits(needs, MACHINE) is None


# What its process sees.


def seen(device, held, monkeypatch, visible=None):
    """The command's last word and the GPUs that its process sees, as the runner puts both together."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    command, environment = launch_command(config(device=device), None, [f"device={device}"])
    return command[-1], (environment | slot_environment(held, os.environ))["CUDA_VISIBLE_DEVICES"]


def test_a_process_sees_its_own_gpus_and_the_command_agrees(monkeypatch):
    assert seen("cpu", ["cpu:1"], monkeypatch) == ("device=cpu", "")
    assert seen("auto", ["cpu:0"], monkeypatch) == ("device=auto", "")
    assert seen("cuda", ["cuda:0", "cuda:2"], monkeypatch) == ("device=cuda", "0,2")
    assert seen("cuda:1", ["cuda:1"], monkeypatch) == ("device=cuda", "1")


def test_gpus_are_counted_among_those_that_may_be_seen(monkeypatch):
    assert seen("cuda:1", ["cuda:1"], monkeypatch, "4,6") == ("device=cuda", "6")
    assert seen("cuda", ["cuda:0", "cuda:1"], monkeypatch, "GPU-a,GPU-b") == ("device=cuda", "GPU-a,GPU-b")
    assert seen("cuda:5", ["cuda:5"], monkeypatch, "4,6") == ("device=cuda", "-1"), "never one that is hidden"
