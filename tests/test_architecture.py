"""The architecture as a test: who may import whom, who may start with torch, how long code may be.

The import table is read from docs/architecture.md, so the map and the rule cannot differ.
"""

import ast
import re
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from glmcore.core.settings import setting_fields
from tests.sources import (
    PROGRAMS,
    ROOMS,
    ROOT,
    SHIPPED,
    TESTS,
    called_name,
    imports,
    may_start_with_torch,
    module_name,
    parse,
    room_of,
    section,
    short,
)

MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 60
HEAVY = {"torch", "transformers", "accelerate", "datasets", "peft", "openvino_genai"}
MODULES = {module_name(path) for path in SHIPPED}
each_shipped_file = pytest.mark.parametrize("path", SHIPPED, ids=short)


def imported_module(target: str) -> str:
    """`glmcore.core.errors.DataError` -> `glmcore.core.errors`."""
    return target if target in MODULES or "." not in target else imported_module(target.rpartition(".")[0])


def test_table_names_the_rooms_on_disk() -> None:
    folders = {path.parent.name for path in ROOT.glob("glmcore/*/__init__.py")}
    files = {path.stem for path in ROOT.glob("glmcore/*.py") if not path.stem.startswith("_")}
    assert folders | files <= set(ROOMS), "add the new room to the table in docs/architecture.md"
    for room, (allowed, _) in ROOMS.items():
        assert {name.split(".")[0] for name in allowed} <= set(ROOMS), room


def test_rooms_have_no_import_circle() -> None:
    order = TopologicalSorter(
        {room: {n.split(".")[0] for n in allowed} for room, (allowed, _) in ROOMS.items()}
    )
    assert next(order.static_order()) == "core"


def test_modules_have_no_import_circle() -> None:
    graph = {
        module_name(path): {imported_module(target) for _, target in imports(parse(path))} & MODULES
        for path in SHIPPED
    }
    assert list(TopologicalSorter(graph).static_order())


@each_shipped_file
def test_a_room_imports_what_the_table_allows(path: Path) -> None:
    room = room_of(module_name(path))
    if room in ("__main__", "glmcore"):
        room = "cli"
    for node, target in imports(parse(path)):
        package, *inside = target.split(".")
        where = f"{short(path)}:{node.lineno}"
        assert getattr(node, "level", 0) == 0, f"{where}: write imports from the root"
        if package == "streamlit":
            assert room in ("ui", "pages", "Home"), f"{where}: only ui and the pages know Streamlit"
        if package == "glmcore" and inside and inside[0] != room:
            allowed = ROOMS[room][0]
            assert inside[0] in allowed or ".".join(inside[:2]) in allowed, (
                f"{where}: {room} must not import {target}"
            )


@each_shipped_file
def test_torch_is_imported_where_models_are_built_only(path: Path) -> None:
    top_level = set(map(id, parse(path).body))
    heavy = [t for node, t in imports(parse(path)) if id(node) in top_level and t.split(".")[0] in HEAVY]
    may = may_start_with_torch(module_name(path))
    assert may or not heavy, (
        f"{short(path)} must start without {heavy}; import inside the function that needs it"
    )


@pytest.mark.parametrize("path", [*PROGRAMS, *TESTS], ids=short)
def test_files_and_functions_are_short_and_modules_say_what_they_are_for(path: Path) -> None:
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= MAX_FILE_LINES, f"{short(path)} has {length} lines: split it"
    assert path in TESTS or ast.get_docstring(parse(path)), (
        f"{short(path)}: begin with a docstring that says what it is for"
    )
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{short(path)}:{node.lineno} {node.name} has {length} lines"


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=short)
def test_every_test_asserts(path: Path) -> None:
    tests = [
        node
        for node in ast.walk(parse(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]
    assert tests, f"{short(path)} has no test"
    for test in tests:
        checks = [
            node
            for node in ast.walk(test)
            if isinstance(node, ast.Assert)
            or (
                isinstance(node, ast.Call)
                and re.match(r"(raises|warns|expect|assert_\w+)$", called_name(node))
            )
        ]
        assert checks, f"{short(path)}:{test.lineno} {test.name} asserts nothing"


@pytest.mark.parametrize("path", PROGRAMS, ids=short)
def test_nothing_from_outside_is_executed(path: Path) -> None:
    for node in ast.walk(parse(path)):
        where = f"{short(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            truths = {key.arg for key in node.keywords if getattr(key.value, "value", True) is not False}
            forbidden = truths & {
                "unsafe_allow_html",
                "unsafe_allow_javascript",
                "trust_remote_code",
                "shell",
            }
            assert not forbidden, f"{where}: {forbidden} is not for us"
            plain = node.func.id if isinstance(node.func, ast.Name) else ""
            assert plain not in ("eval", "exec"), f"{where}: {plain}() runs text as code"
            if ast.unparse(node.func) == "torch.load":
                assert "weights_only" in truths, f"{where}: torch.load needs weights_only=True"
            assert ast.unparse(node.func) not in ("os.system", "yaml.load", "yaml.unsafe_load"), where
    unsafe = {target.split(".")[0] for _, target in imports(parse(path))} & {
        "pickle",
        "dill",
        "joblib",
        "shelve",
    }
    assert not unsafe, f"{short(path)}: {unsafe} runs code while it reads"


def named_in_file_map() -> set[str]:
    """The first word of each line of README's file map; an indented one lies in the folder above it."""
    block = section((ROOT / "README.md").read_text(encoding="utf-8"), "File map").split("```")[1]
    names, folder = set(), ""
    for line in block.splitlines()[1:]:
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        names.add((folder + name if line.startswith(" ") else name).rstrip("/"))
    return names


def test_file_map_of_the_readme_equals_the_disk() -> None:
    ignored = [".git", ".gitignore", *(ROOT / ".gitignore").read_text().replace("/\n", "\n").split()]
    ignored = [pattern.strip("/") for pattern in ignored]

    def is_there(path: Path) -> bool:
        files = (
            [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc"]
        )
        return bool(files) and not any(fnmatch(path.name, pattern) for pattern in ignored)

    on_disk = {path.name for path in ROOT.iterdir() if is_there(path)}
    on_disk |= {
        f"glmcore/{p.name}" for p in ROOT.glob("glmcore/*") if is_there(p) and p.name != "__init__.py"
    }
    on_disk |= {f"pages/{path.name}" for path in ROOT.glob("pages/*.py")}
    assert named_in_file_map() == on_disk


def test_every_setting_is_explained_in_the_code_and_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for entry in setting_fields():
        assert entry.metadata["help"], entry.name
        assert f"`{entry.name}`" in readme and f"`GLMCORE_{entry.name.upper()}`" in readme, entry.name
