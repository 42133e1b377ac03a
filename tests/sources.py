"""What the tests about the source text itself share: which files there are, their imports, their rooms."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def python_files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


SHIPPED = python_files("Home.py", "pages/*.py", "glmcore/**/*.py")
PROGRAMS = [*SHIPPED, *python_files("tools/**/*.py", "benchmarks/**/*.py")]
TESTS = python_files("tests/**/*.py")


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def short(path: Path) -> str:
    """The path inside the project, as a test id and in messages."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """`glmcore/chat/answers.py` -> `glmcore.chat.answers`; a package is named without `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def called_name(call: ast.Call) -> str:
    """`f` of `f(…)` and of `a.b.f(…)`."""
    function = call.func
    return getattr(function, "attr", "") or getattr(function, "id", "")


def section(text: str, heading: str) -> str:
    """The part of a Markdown text under one `##` heading."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def table_of_rooms() -> dict[str, tuple[set[str], set[str]]]:
    """Room -> what it may import, and which of its modules may import torch when they are imported."""
    rows = section((ROOT / "docs/architecture.md").read_text(encoding="utf-8"), "Rooms and imports")
    cells = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in rows.splitlines()
        if row.startswith("| `")
    ]
    names = [[set(re.findall(r"`([\w.]+)`", cell)) for cell in row] for row in cells]
    return {room.pop(): (imports, heavy) for room, _, imports, heavy in names}


ROOMS = table_of_rooms()


def room_of(module: str) -> str:
    """The room of a module; the pages and Home.py are rooms of their own."""
    package, *rest = module.split(".")
    return rest[0] if package == "glmcore" and rest else package


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every import with its dotted name, `from a import b` as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def may_start_with_torch(module: str) -> bool:
    """Whether the table allows the module, or the folder it is in, to import torch when it is imported."""
    return bool(set(module.split(".")[2:]) & ROOMS.get(room_of(module), (set(), set()))[1])
