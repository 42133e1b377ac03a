"""Clients that are not OpenAI's own: LangChain's, and curl as OpenAI's documentation shows it."""

import json
import subprocess

import pytest

from glmcore.core.settings import EMBEDDED_MODEL

pytestmark = pytest.mark.slow  # LangChain takes seconds to import


def test_langchain_asks_and_streams_unchanged(server_url) -> None:
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(model=EMBEDDED_MODEL, base_url=server_url, api_key="none", temperature=0)
    answer = chat.invoke([("system", "Be brief."), ("human", "Hello")])
    assert answer.content == "An answer."
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["output_tokens"] == 2
    pieces = list(chat.stream("Hello"))
    assert "".join(piece.content for piece in pieces) == "An answer."
    assert len(chat.batch(["a", "b", "c"])) == 3


def test_curl_asks_and_streams(server_url) -> None:
    body = {"model": EMBEDDED_MODEL, "messages": [{"role": "user", "content": "Hello"}]}

    def ask(**more):
        command = ["curl", "-sSN", f"{server_url}/chat/completions", "-H", "Content-Type: application/json"]
        command += ["-H", "Authorization: Bearer none", "-d", json.dumps(body | more)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    assert json.loads(ask())["choices"][0]["message"]["content"] == "An answer."
    assert ask(stream=True).endswith("data: [DONE]\n\n")
