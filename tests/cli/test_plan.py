"""`models plan`: the table of devices, for this machine and for made-up GPUs."""

import pytest

from glmcore.cli import main, plan
from glmcore.models.places.devices import GIB, Device
from tests.models.reference import DATA

MODEL = str(DATA / "chatglm-6b")
PARTS = "transformer.word_embeddings, transformer.final_layernorm"


@pytest.fixture(autouse=True)
def machine_without_gpu(monkeypatch):
    monkeypatch.setattr(plan, "describe_devices", lambda: [Device("cpu", "", 8 * GIB, 8 * GIB)])


def planned(capsys, *options):
    assert main(["models", "plan", MODEL, "--dtype", "float32", *options]) == 0
    return capsys.readouterr().out.splitlines()


def test_plan_without_gpus_names_the_cpu(capsys):
    title, head, row = planned(capsys)
    assert title == "chatglm-6b (ChatGLM-6B) as float32: 0.00 GiB of weights"
    assert head.split() == ["device", "layers", "planned", "free", "other", "parts"]
    assert row.split(maxsplit=3)[:3] == ["cpu", "0–1", "(2)"] and row.endswith(PARTS)


def test_model_that_fits_stays_on_one_gpu_and_this_is_said(capsys):
    *_, row, sentence = planned(capsys, "--gpus", "2,4.5")
    assert row.startswith("cuda:1  0–1 (2)") and "4.50 GiB" in row
    assert sentence.startswith("It fits on one device")


def test_device_map_spreads_over_made_up_gpus(capsys):
    *_, first, second = planned(capsys, "--gpus", "2,2", "--device-map", "chatglm")
    assert first.startswith("cuda:0  –") and first.endswith(PARTS)
    assert second.startswith("cuda:1  0–1 (2)") and second.endswith("–")


def test_what_does_not_fit_is_warned_of(capsys):
    lines = planned(capsys, "--gpus", "1", "--max-memory", "0=300KiB,cpu=1GiB")
    assert lines[2].startswith("cuda:0") and lines[3].startswith("cpu")
    assert lines[4].startswith("Not everything fits on the GPUs: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--gpus", "24,x"], "--gpus is '24,x'; expected the GiB of each GPU"),
        (["--max-memory", "20GiB"], "--max-memory is '20GiB'; expected a size per device"),
        (["--gpus", "1", "--max-memory", "1=20GiB"], "max_memory names '1'"),
        (["--device-map", "round"], "invalid choice: 'round'"),
        (["--quantization-bits", "3"], "quantization_bits is 3"),
    ],
)
def test_wrong_option_is_one_sentence(options, sentence, capsys):
    assert main(["models", "plan", MODEL, *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and sentence in err


def test_model_too_large_for_this_machine_is_said(monkeypatch, capsys):
    monkeypatch.setattr(plan, "describe_devices", lambda: [Device("cpu", "", 1000, 1000)])
    assert main(["models", "plan", MODEL]) == 2
    assert "chatglm-6b needs" in capsys.readouterr().err
