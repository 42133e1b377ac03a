"""Eight people at once on one model: nobody sees a token of anybody else's answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from glmcore.core.messages import GenerationParams
from glmcore.history import HistoryStore, open_history
from tests.e2e.dashboard import Dashboard
from tests.e2e.websocket_session import PageSession

pytestmark = pytest.mark.browser

TOPICS = ("apples", "bridges", "clouds", "dragons", "engines", "forests", "glaciers", "horses")
GREEDY = GenerationParams(temperature=0.0, max_new_tokens=40)


def question(topic: str) -> str:
    return f"Tell me about {topic}."


async def converse(dashboard: Dashboard, conversation_id: str, topic: str) -> list[str]:
    async with PageSession(dashboard.url, "chat", f"c={conversation_id}") as session:
        await session.open()
        await session.ask(question(topic))
        return session.texts


def new_conversations(history: HistoryStore) -> dict[str, str]:
    return {
        topic: history.conversations.create("local", model="SmolLM2-135M-Instruct", params=GREEDY).id
        for topic in TOPICS
    }


def answers(history: HistoryStore, conversations: dict[str, str]) -> dict[str, str]:
    paths = {topic: history.messages.path("local", id_) for topic, id_ in conversations.items()}
    return {topic: path[-1].message.content for topic, path in paths.items()}


def test_eight_sessions_at_once_get_their_own_answers(dashboard: Dashboard):
    history = open_history(f"sqlite:///{dashboard.home / 'glmcore.db'}")

    async def together() -> list[list[str]]:
        asked = (converse(dashboard, id_, topic) for topic, id_ in at_once.items())
        return list(await asyncio.gather(*asked))

    async def one_by_one() -> None:
        for topic, id_ in alone.items():
            await converse(dashboard, id_, topic)

    # In a thread of its own: the browser fixture of other tests keeps an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        at_once = new_conversations(history)
        shown = thread.submit(asyncio.run, together()).result()
        alone = new_conversations(history)
        thread.submit(asyncio.run, one_by_one()).result()

    answered = answers(history, at_once)
    assert answered == answers(history, alone)  # greedy: batching with others must not change a token
    assert len(set(answered.values())) == len(TOPICS)
    for topic, texts in zip(TOPICS, shown, strict=True):
        assert answered[topic] in texts
        foreign = [other for other in TOPICS if other != topic and answered[other] in texts]
        assert foreign == []
    history.close()
