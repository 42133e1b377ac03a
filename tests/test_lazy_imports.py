"""Pages open without torch: a fresh interpreter imports every module that may not need it and looks."""

import json
import subprocess
import sys

import pytest

from tests.sources import ROOT, SHIPPED, may_start_with_torch, module_name

HEAVY = ("torch", "transformers", "accelerate", "datasets", "peft")
LIGHT = [
    name
    for name in map(module_name, SHIPPED)
    if not name.startswith("pages") and name != "glmcore.__main__"
    if not may_start_with_torch(name)
]
PROGRAM = """
import importlib, json, sys
heavy, found = set(sys.argv[1].split(",")), {}
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception as fault:
        found[name] = [repr(fault)]
        continue
    found[name] = sorted(heavy & set(sys.modules))
    heavy -= set(found[name])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def imported_heavily(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Module -> heavy libraries that came with it, each blamed on the first module that brought it."""
    command = [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *LIGHT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_module_is_imported_without_torch(module: str, imported_heavily: dict[str, list[str]]) -> None:
    assert not imported_heavily[module], f"{module}: {imported_heavily[module]}"
