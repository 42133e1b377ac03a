"""The files around the code: options Streamlit still knows, requirements that are all direct and pinned."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.sources import ROOT, SHIPPED, imports, parse, short

PINS = [
    line
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if re.match(r"\w", line)
]
PROVIDERS = packages_distributions()  # which takes a good part of a second


def test_streamlit_takes_our_options() -> None:
    options = ["runner.postScriptGC", "client.showErrorDetails", "server.address", "server.fileWatcherType"]
    program = f"import streamlit as st; print([st.get_option(name) for name in {options}])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[False, 'none', '127.0.0.1', 'none']", done.stderr
    assert "not a valid config option" not in done.stderr


def test_both_themes_have_the_same_keys() -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
    assert theme["light"].keys() == theme["dark"].keys()
    assert len(theme["light"]["chartCategoricalColors"]) == len(theme["dark"]["chartCategoricalColors"])


def test_requirements_are_pinned_exactly_and_say_why() -> None:
    assert [line for line in PINS if not re.fullmatch(r"[\w\[\],.-]+==[\w.]+\s+# .+", line)] == []


@pytest.mark.parametrize("path", SHIPPED, ids=short)
def test_what_the_code_imports_is_required(path: Path) -> None:
    required = {re.split(r"[\[=]", line)[0].lower() for line in PINS}
    for node, target in imports(parse(path)):
        package = target.split(".")[0]
        if package != "glmcore" and package not in sys.stdlib_module_names:
            provided_by = {name.lower() for name in PROVIDERS.get(package, [package])}
            assert provided_by & required, (
                f"{short(path)}:{node.lineno}: {package} is not in requirements.txt"
            )
