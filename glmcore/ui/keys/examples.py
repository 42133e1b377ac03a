"""The API's addresses as this reader's browser sees the server, and what a program writes to ask it."""

import json
import shlex
from urllib.parse import urlsplit

import streamlit as st

KEY_VARIABLE = "GLM_API_KEY"  # where the examples look for the secret
PAGE_PATH = "/keys"
ASKED = [{"role": "user", "content": "Hello!"}]

CURL = """\
curl {url} \\
  -H "Content-Type: application/json" \\{header}
  -d {body}
"""
PYTHON = """\
{imports}from openai import OpenAI

client = OpenAI(base_url={url}, api_key={key})
answer = client.chat.completions.create(
    model={model},
    messages={messages},
)
print(answer.choices[0].message.content)
"""


def base_url() -> str:
    """The server's address, without a slash at its end."""
    seen = urlsplit(st.context.url or "")
    if not seen.netloc:
        return f"http://localhost:{st.get_option('server.port')}"
    return f"{seen.scheme}://{seen.netloc}{seen.path.rstrip('/').removesuffix(PAGE_PATH)}"


def curl_example(base: str, model: str, *, needs_key: bool) -> str:
    """For a shell; the secret comes from its environment."""
    header = f'\n  -H "Authorization: Bearer ${KEY_VARIABLE}" \\' if needs_key else ""
    body = json.dumps({"model": model, "messages": ASKED}, ensure_ascii=False)
    url = shlex.quote(f"{base}/v1/chat/completions")
    return CURL.format(url=url, header=header, body=shlex.quote(body))


def python_example(base: str, model: str, *, needs_key: bool) -> str:
    """For the openai package, which wants a key even where none is needed."""
    return PYTHON.format(
        imports="import os\n\n" if needs_key else "",
        url=json.dumps(f"{base}/v1"),
        key=f'os.environ["{KEY_VARIABLE}"]' if needs_key else '"none"',
        model=json.dumps(model, ensure_ascii=False),
        messages=json.dumps(ASKED),
    )


def show_examples(base: str, model: str, *, needs_key: bool) -> None:
    shell, python = st.tabs(["curl", "Python"])
    shell.code(curl_example(base, model, needs_key=needs_key), language="bash", wrap_lines=True)
    python.code(python_example(base, model, needs_key=needs_key), language="python", wrap_lines=True)
