"""Conversations over HTTP: found, read, exported and deleted by their owner alone."""

import json

from starlette.testclient import TestClient

from glmcore.api.history import endpoints
from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history.carry import FORMS
from glmcore.keys import Right
from glmcore.server.services import Services


def store(services: Services, question: str, *, owner: str = "local", turns: int = 1) -> str:
    history = services.history
    conversation = history.conversations.create(owner, model="m", title=question)
    parent = None
    for turn in range(turns):
        asked = history.messages.add_question(owner, conversation.id, parent, f"{question} {turn}")
        answer = history.messages.start_answer(owner, conversation.id, asked.id)
        facts = AnswerFacts(model="m", stop_reason=StopReason.END, params=GenerationParams())
        history.messages.finish_answer(owner, answer.id, f"Answer {turn}", facts)
        parent = answer.id
    return conversation.id


def test_conversations_are_listed_filtered_and_in_pages(services: Services, client: TestClient) -> None:
    ids = [store(services, f"About cats {number}") for number in range(3)]
    services.history.tags.set("local", ids[0], ["pets"])
    services.history.conversations.put_on("local", [ids[1]], "archived")
    page = client.get("/api/conversations", params={"limit": 2}).json()
    assert (page["total"], [one["id"] for one in page["conversations"]]) == (3, [ids[2], ids[1]])
    for query, found in (
        ({"tag": "pets"}, [ids[0]]),
        ({"shelf": "archived"}, [ids[1]]),
        ({"id": ids[:2], "order": "oldest"}, ids[:2]),
        ({"model": "other"}, []),
        ({"min_turns": 2}, []),
        ({"until": 1.0}, []),
        ({"q": "  ", "offset": 2}, [ids[0]]),
    ):
        told = client.get("/api/conversations", params=query).json()["conversations"]
        assert [one["id"] for one in told] == found, query


def test_a_search_shows_where_its_words_are(services: Services, client: TestClient) -> None:
    store(services, "About dogs")
    wanted = store(services, "About cats")
    page = client.get("/api/conversations", params={"q": "cats"}).json()
    assert [one["id"] for one in page["conversations"]] == [wanted] and page["total"] == 1
    found = page["conversations"][0]["found"]
    assert {"text": "cats", "is_hit": True} in found["snippet"] and found["num_messages"] == 1
    refused = client.get("/api/conversations", params={"q": '"cats'})
    assert refused.status_code == 400 and "not closed" in refused.json()["error"]["message"]


def test_a_conversation_is_read_from_its_end(services: Services, client: TestClient) -> None:
    wanted = store(services, "cats", turns=3)
    told = client.get(f"/api/conversations/{wanted}", params={"limit": 2}).json()
    assert [one["content"] for one in told["messages"]] == ["cats 2", "Answer 2"]
    assert (told["num_earlier"], told["num_turns"], told["title"]) == (4, 3, "cats")
    assert told["messages"][1]["facts"]["stop_reason"] == "end"
    until = told["messages"][0]["parent_id"]
    earlier = client.get(f"/api/conversations/{wanted}", params={"until": until}).json()
    assert [one["content"] for one in earlier["messages"]] == ["cats 0", "Answer 0", "cats 1", "Answer 1"]
    assert client.get(f"/api/conversations/{wanted}?until=nobody").status_code == 404


def test_every_form_is_exported_with_the_filters_of_the_list(services: Services, client: TestClient) -> None:
    store(services, "About dogs")
    store(services, "About cats")
    for form in FORMS:
        file = client.get("/api/conversations/export", params={"form": form, "q": "cats"})
        assert "cats" in file.text and "dogs" not in file.text
        assert FORMS[form].suffix in file.headers["content-disposition"]
        assert file.headers["content-type"].startswith(FORMS[form].mime)
    assert len(json.loads(client.get("/api/conversations/export").content)["conversations"]) == 2
    assert client.get("/api/conversations/export?form=exe").status_code == 422
    assert client.get("/api/conversations/export", params={"q": "-"}).status_code == 400
    assert set(FORMS) == set(endpoints.ExportForm.__args__)


def test_a_deleted_conversation_is_in_the_trash(services: Services, client: TestClient) -> None:
    wanted = store(services, "cats")
    assert client.delete(f"/api/conversations/{wanted}").status_code == 204
    assert client.get(f"/api/conversations/{wanted}").status_code == 404
    assert client.delete(f"/api/conversations/{wanted}").status_code == 404
    assert client.get("/api/conversations?shelf=deleted").json()["total"] == 1


def test_a_key_finds_the_conversations_of_its_user_only(services: Services, client: TestClient) -> None:
    ids = {owner: store(services, "cats", owner=owner) for owner in ("ann", "bob")}
    _key, chat = services.keys.make("chat", user="ann")
    _key, secret = services.keys.make("history", user="ann", rights={Right.HISTORY})
    assert client.get("/api/conversations", headers={"Authorization": f"Bearer {chat}"}).status_code == 403
    client.headers["Authorization"] = f"Bearer {secret}"
    assert [one["id"] for one in client.get("/api/conversations").json()["conversations"]] == [ids["ann"]]
    assert client.get("/api/conversations?q=cats").json()["total"] == 1
    assert ids["bob"] not in client.get("/api/conversations/export").text
    for answer in (client.get, client.delete):
        assert answer(f"/api/conversations/{ids['bob']}").status_code == 404


def test_strange_filters_are_refused_or_find_nothing(client: TestClient) -> None:
    strange = {
        200: [
            "tag=%00",
            "model=%ff",
            "id=" + "a" * 200,
            "adapter=",
            "q=%20",
            "since=1e11",
            "min_turns=1000000",
        ],
        400: ["q=%00", "q=%22", "q=-a", "q=*"],
        422: [
            "since=nan",
            "until=1e400",
            "min_turns=" + "9" * 30,
            "q=" + "a" * 1001,
            "min_stars=6",
            "shelf=x",
        ],
    }
    for status, queries in strange.items():
        for query in queries:
            for path in ("", "/export"):
                assert client.get(f"/api/conversations{path}?{query}").status_code == status, query
