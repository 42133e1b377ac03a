"""The first page: what this is, which model is ready, the way into the chat and back to others."""

from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.ui.overview_page import RECENT
from tests.ui.visits import Server, Visit


def test_first_page_says_what_this_is_and_offers_the_model(server: Server) -> None:
    visit = Visit(server, page="overview")
    assert visit.at.title[0].value == "GLM dashboard"
    assert f"**{EMBEDDED_MODEL}**" in visit.shown()
    assert not visit.at.exception and not visit.at.error


def test_ready_model_is_marked(server: Server) -> None:
    assert not Visit(server, page="overview").has(f"unload_{EMBEDDED_MODEL}")
    server.load_model()
    assert Visit(server, page="overview").has(f"unload_{EMBEDDED_MODEL}")


def test_it_leads_into_the_chat(server: Server) -> None:
    visit = Visit(server, page="overview")
    visit.click_label("Start a chat")
    assert "What would you like to know?" in visit.shown()


def test_latest_conversations_are_linked(server: Server) -> None:
    assert not Visit(server, page="overview").at.page_link
    conversations = [server.add_conversation(f"Question {number}") for number in range(RECENT + 2)]
    links = Visit(server, page="overview").at.page_link
    assert [link.label.split(" ")[1] for link in links] == ["6", "5", "4", "3", "2"]
    assert all(conversations[-1].id not in link.label for link in links)
    assert conversations[-1].id in links[0].proto.query_string


def test_titles_are_no_markdown(server: Server) -> None:
    server.add_conversation("![x](http://x/y.png)")
    assert Visit(server, page="overview").at.page_link[0].label.startswith(r"\!\[x\]\(")


def test_opening_pages_loads_no_model(server: Server) -> None:
    Visit(server, page="overview")
    Visit(server)
    assert server.services.models.loaded_names() == []
    assert server.services.models.state(EMBEDDED_MODEL) is None
