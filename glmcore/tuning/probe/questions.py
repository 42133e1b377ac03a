"""The questions of the probe, the same for every model and run."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("questions.json")


@dataclass(frozen=True, slots=True)
class Question:
    """`kind` is "question", or "sentence" where an everyday sentence is to be continued."""

    id: str
    language: str
    kind: str
    prompt: str
    answer: str


@cache
def load_questions() -> tuple[Question, ...]:
    return tuple(Question(**entry) for entry in json.loads(FILE.read_text(encoding="utf-8")))
