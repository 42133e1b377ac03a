"""One Streamlit session without a browser: speaks the page's protocol and sees the texts that are shown."""

import asyncio
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

FINISHED = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_WITH_COMPILE_ERROR)


class PageSession:
    """A page that one person has open; `texts` are the Markdown bodies in the order they were sent."""

    def __init__(self, url: str, page: str, query: str = "") -> None:
        self._address = url.replace("http://", "ws://") + "/_stcore/stream"
        self._page, self._query = page, query
        self._page_hash = ""
        self._widget_ids: dict[str, str] = {}
        self.texts: list[str] = []
        self.received_bytes = 0

    async def __aenter__(self) -> "PageSession":
        self._socket = await websockets.connect(self._address, subprotocols=["streamlit"], max_size=None)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._socket.close()

    async def open(self) -> None:
        await self._run(None)

    async def ask(self, question: str) -> None:
        """Submit the chat input, and return when the page has nothing more to draw."""
        state = WidgetState(id=self._widget_ids["chat_input"])
        state.chat_input_value.data = question
        await self._run(state)

    async def rerun(self) -> None:
        """What any widget on the page does."""
        await self._run(None)

    async def _run(self, trigger: WidgetState | None, timeout: float = 180) -> None:
        message = BackMsg()
        message.rerun_script.query_string = self._query
        message.rerun_script.page_name = self._page
        message.rerun_script.page_script_hash = self._page_hash
        if trigger is not None:
            message.rerun_script.widget_states.widgets.append(trigger)
        await self._socket.send(message.SerializeToString())
        # A page that reruns itself starts another script run before it says that this one ended.
        await asyncio.wait_for(self._read_until_idle(), timeout)

    async def _read_until_idle(self) -> None:
        is_finished = False
        while True:
            try:
                raw = await asyncio.wait_for(self._socket.recv(), 0.7 if is_finished else None)
            except TimeoutError:
                return
            self.received_bytes += len(raw)
            message = ForwardMsg.FromString(raw)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                is_finished = False
            elif kind == "navigation":
                self._page_hash = message.navigation.page_script_hash
            elif kind == "script_finished":
                is_finished = is_finished or message.script_finished in FINISHED
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._see(message.delta.new_element)

    def _see(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "markdown":
            self.texts.append(element.markdown.body)
        elif kind == "exception":
            raise AssertionError(element.exception.message)
        elif kind == "chat_input":
            self._widget_ids["chat_input"] = element.chat_input.id
