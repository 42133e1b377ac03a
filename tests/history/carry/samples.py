"""Small exports of other programs, and a history with all that can be kept."""

import json
from pathlib import Path
from typing import Any

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import ConversationFilter, HistoryStore, Judgement
from glmcore.history.carry import ImportReport, carry_out, export, read_import
from glmcore.history.judgements import JudgementStore

OWNER = "ann"
EVERY = ConversationFilter(shelf=None)

CHATGPT: list[dict[str, Any]] = [
    {
        "title": "熊猫",
        "create_time": 1_700_000_000.5,
        "update_time": 1_700_000_100.0,
        "current_node": "a2",
        "is_archived": True,
        "mapping": {
            "root": {"id": "root", "message": None, "parent": None, "children": ["s"]},
            "s": {
                "parent": "root",
                "message": {
                    "author": {"role": "system"},
                    "content": {"content_type": "text", "parts": [""]},
                },
            },
            "q": {
                "parent": "s",
                "message": {
                    "author": {"role": "user"},
                    "create_time": 1_700_000_001.0,
                    "content": {"content_type": "text", "parts": ["Where do pandas live?"]},
                },
            },
            "call": {
                "parent": "q",
                "message": {
                    "author": {"role": "assistant"},
                    "recipient": "browser",
                    "content": {"content_type": "code", "text": "search('pandas')"},
                },
            },
            "tool": {
                "parent": "call",
                "message": {"author": {"role": "tool"}, "content": {"content_type": "text", "parts": ["x"]}},
            },
            "a1": {
                "parent": "tool",
                "message": {
                    "author": {"role": "assistant"},
                    "create_time": 1_700_000_002.0,
                    "content": {"content_type": "text", "parts": ["In China."]},
                    "metadata": {"model_slug": "gpt-4"},
                },
            },
            "a2": {
                "parent": "q",
                "message": {
                    "author": {"role": "assistant"},
                    "create_time": 1_700_000_003.0,
                    "content": {"content_type": "multimodal_text", "parts": ["In Sichuan.", {"asset": 1}]},
                    "metadata": {"model_slug": "gpt-4"},
                },
            },
        },
    }
]
OPEN_WEBUI: list[dict[str, Any]] = [
    {
        "id": "c1",
        "title": "Sums",
        "pinned": True,
        "created_at": 1_700_000_000,
        "meta": {"tags": ["maths"]},
        "chat": {
            "models": ["llama3"],
            "tags": [{"name": "school"}],
            "params": {"system": "Be brief."},
            "history": {
                "currentId": "b",
                "messages": {
                    "b": {"parentId": "a", "role": "assistant", "content": "2", "timestamp": 1_700_000_002},
                    "a": {"parentId": None, "role": "user", "content": "1+1?", "timestamp": 1_700_000_001},
                    "c": {"parentId": "a", "role": "assistant", "content": "two", "timestamp": 1_700_000_003},
                },
            },
        },
    },
    {
        "title": "Old",
        "chat": {"messages": [{"role": "user", "content": "hi", "timestamp": 1_700_000_000_000}]},
    },
]
OPENAI = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "A cat."},
    ],
    "model": "gpt-4o",
}
SHAREGPT = {
    "conversations": [
        {"from": "system", "value": "Be kind."},
        {"from": "human", "value": "Hello <script>alert(1)</script>"},
        {"from": "gpt", "value": "Hi."},
    ]
}


def fill(store: HistoryStore) -> str:
    """A conversation with versions, facts, tags and a judgement, and an empty one; the first one's id."""
    params = GenerationParams(temperature=0.25, seed=7, stop=("###",))
    talk = store.conversations.create(
        OWNER, model="tiny", title="=Pandas & <b>", system_prompt="Be kind.", params=params
    )
    question = store.messages.add_question(OWNER, talk.id, None, "Where do pandas live?")
    for text, reason in (("In China.", StopReason.END), ("In Sich", StopReason.ERROR)):
        answer = store.messages.start_answer(OWNER, talk.id, question.id)
        error = {"template": "{name} broke.", "values": {"name": "engine"}} if text == "In Sich" else None
        facts = AnswerFacts(
            model="tiny",
            stop_reason=reason,
            params=params,
            completion_tokens=3,
            seconds=0.1,
            error=error,
            engine="openvino",
        )
        store.messages.finish_answer(OWNER, answer.id, text, facts)
    JudgementStore(store.database).judge(
        OWNER, Judgement(message_id=answer.id, thumb=-1, stars=2, reason="incomplete", repair="In Sichuan.")
    )
    store.tags.set(OWNER, talk.id, ["animals", "教学"])
    store.conversations.create(OWNER, model="tiny", title="empty")
    return talk.id


def exported(store: HistoryStore, form: str = "json", chosen: ConversationFilter = EVERY) -> str:
    return b"".join(export(store, OWNER, chosen, form)).decode()


def written(folder: Path, values: Any, name: str = "chats.json") -> Path:
    path = folder / name
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


def imported(store: HistoryStore, path: Path, *, skip_problems: bool = False) -> ImportReport:
    return carry_out(store, OWNER, read_import(store, OWNER, path), skip_problems=skip_problems)
