"""The plan of a model on the first page: where its layers would go, computed when it is opened."""

from pathlib import Path

import pytest

from glmcore.core.errors import ModelLoadError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.models.places.devices import GIB, Device
from glmcore.models.places.layout import layout_of
from glmcore.models.places.plan import plan_layers
from glmcore.ui import plan_view
from tests.ui.visits import Server, Visit

SIZES = {"model.embed_tokens.weight": GIB, "lm_head.weight": GIB}
SIZES |= {f"model.layers.{number}.mlp.weight": GIB for number in range(8)}


class Blueprint:
    """One of ten GiB; counts how often it is read."""

    dtype = "bfloat16"
    num_read = 0

    def place(self, devices, device_map):
        assert device_map == "auto"
        self.plan = plan_layers(layout_of(SIZES), devices, device_map=device_map)
        return self


@pytest.fixture
def blueprint(server: Server, monkeypatch: pytest.MonkeyPatch) -> Blueprint:
    """A model in a folder, on a machine of two small GPUs."""
    found = Blueprint()

    def read(name, path, devices, *, dtype, device, usual_bits):
        found.num_read += 1
        return found

    devices = [Device(f"cuda:{n}", "", 4 * GIB, 4 * GIB) for n in (0, 1)]
    devices.append(Device("cpu", "", 16 * GIB, 16 * GIB))
    monkeypatch.setattr(plan_view, "read_blueprint", read)
    monkeypatch.setattr(plan_view, "describe_devices", lambda: devices)
    plan_view._plan.clear()
    folder = Path(server.services.settings.models_dir) / "big"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "glm4"}')
    return found


def open_plan(visit: Visit) -> Visit:
    visit.at.session_state["plan_big"] = True
    visit.at.run()
    return visit


def test_plan_is_computed_when_it_is_opened_and_once(server: Server, blueprint: Blueprint) -> None:
    visit = Visit(server, page="overview")
    assert not visit.at.table and blueprint.num_read == 0
    assert visit.says("GLM-4 (2025)")
    open_plan(visit)
    open_plan(Visit(server, page="overview"))
    assert visit.at.table and blueprint.num_read == 1


def test_plan_is_a_table_of_devices_with_its_warnings(server: Server, blueprint: Blueprint) -> None:
    visit = open_plan(Visit(server, page="overview"))
    table = visit.at.table[0].value
    assert list(table.columns) == ["Device", "Layers", "Other parts", "Size", "Free"]
    assert list(table["Device"]) == [r"cuda\:0", r"cuda\:1", "cpu"]
    assert list(table["Size"])[1] == "4.00 GiB"
    assert list(table["Other parts"]) == [r"embed\_tokens\, lm\_head", "", ""]
    assert sum(int(cell.split("(")[1].rstrip(")")) for cell in table["Layers"] if cell != "–") == 8
    assert visit.says("of 8 layers") and visit.says("bfloat16")


def test_model_that_cannot_be_planned_says_why(
    server: Server, blueprint: Blueprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ModelLoadError("{path} is missing.", path="model-2.bin")

    monkeypatch.setattr(plan_view, "read_blueprint", fail)
    visit = open_plan(Visit(server, page="overview"))
    assert visit.says("model-2.bin is missing.")
    assert not visit.at.table and not visit.at.exception


def test_model_that_is_not_here_yet_has_no_plan(server: Server) -> None:
    visit = Visit(server, page="overview")
    assert f"plan_{EMBEDDED_MODEL}" not in visit.at.session_state
    assert f"**{EMBEDDED_MODEL}**" in visit.shown()
