"""One view of the history page as a visitor meets it, without the others."""

from typing import Any

from streamlit.testing.v1 import AppTest


def open_view(view: str, state: dict[str, Any] | None = None, **query: str) -> AppTest:
    """Args: state: what the session remembers from another view."""
    at = AppTest.from_function(_main, default_timeout=20)
    for name, value in (state or {}).items():
        at.session_state[name] = value
    at.query_params["view"] = view
    for name, value in query.items():
        at.query_params[name] = value
    return drawn(at.run())


def drawn(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    return drawn(next(button for button in at.button if button.label == label).click().run())


def html(at: AppTest) -> str:
    """What is drawn as HTML, where texts of users must have been made inert."""
    return "\n".join(element.proto.body for element in at.get("html"))


def _main() -> None:
    import streamlit as st

    from glmcore.ui.history import replay, training_data
    from glmcore.ui.services import services
    from glmcore.ui.session import CHAT_PAGE, TRAINING_PAGE

    views = {"replay": replay.show, "data": training_data.show}

    def history() -> None:
        views[st.query_params["view"]](services())

    pages = [st.Page(history, title="History", default=True)]
    pages += [st.Page(path, url_path=path.stem) for path in (CHAT_PAGE, TRAINING_PAGE)]
    st.navigation(pages).run()
