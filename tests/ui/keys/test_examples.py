"""What the API page gives to copy: right for a shell and for Python, whatever the model is called."""

import ast
import json
import shlex

import pytest
from streamlit.runtime.context import ContextProxy

from glmcore.ui.keys.examples import base_url, curl_example, python_example

ODD = """it's "odd" $HOME `x` 模型\\"""


@pytest.mark.parametrize("model", ["SmolLM2-135M-Instruct", ODD])
@pytest.mark.parametrize("needs_key", [True, False])
def test_a_shell_reads_the_example_as_it_is_meant(model: str, needs_key: bool) -> None:
    text = curl_example("http://box:8501", model, needs_key=needs_key)
    command, url, *options = shlex.split(text)
    assert (command, url) == ("curl", "http://box:8501/v1/chat/completions")
    assert json.loads(options[-1])["model"] == model
    assert ("Authorization: Bearer $GLM_API_KEY" in options) == needs_key


@pytest.mark.parametrize("model", ["SmolLM2-135M-Instruct", ODD])
@pytest.mark.parametrize("needs_key", [True, False])
def test_python_reads_the_example_as_it_is_meant(model: str, needs_key: bool) -> None:
    tree = ast.parse(python_example("http://box:8501", model, needs_key=needs_key))
    said = {
        key.arg: key.value for call in ast.walk(tree) if isinstance(call, ast.Call) for key in call.keywords
    }
    assert ast.literal_eval(said["model"]) == model
    assert ast.literal_eval(said["base_url"]) == "http://box:8501/v1"
    assert (ast.unparse(said["api_key"]) == "os.environ['GLM_API_KEY']") == needs_key
    assert any(isinstance(node, ast.Import) for node in ast.walk(tree)) == needs_key


@pytest.mark.parametrize(
    ("seen", "base"),
    [
        ("http://box:8501/keys", "http://box:8501"),
        ("http://box:8501/keys/", "http://box:8501"),
        ("https://team.example/glm/keys", "https://team.example/glm"),
        ("http://[::1]:8501/", "http://[::1]:8501"),
        (None, "http://localhost:8501"),
    ],
)
def test_the_address_is_the_one_that_the_reader_sees(seen: str | None, base: str, monkeypatch) -> None:
    monkeypatch.setattr(ContextProxy, "url", property(lambda self: seen))
    assert base_url() == base
