"""Tickets for exports: a page gives one out, and `/downloads/<ticket>` writes the file that it stands for."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

import streamlit as st

from glmcore.api.downloads import DOWNLOADS_URL, Download
from glmcore.history import ConversationFilter
from glmcore.history.carry import FORMS, export, file_name
from glmcore.ui.services import services

KEPT = 2000  # tickets; each page that shows a button holds one


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to fetch; `title` is that of a conversation that is fetched alone."""

    owner: str
    chosen: ConversationFilter
    form: str
    title: str = ""


class Tickets:
    """The same order has the same ticket; the oldest are forgotten. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._tickets: dict[Order, str] = {}

    def give(self, order: Order) -> str:
        with self._lock:
            ticket = self._tickets.setdefault(order, secrets.token_urlsafe(16))
            self._orders[ticket] = order
            self._orders.move_to_end(ticket)
            while len(self._orders) > KEPT:
                _ticket, oldest = self._orders.popitem(last=False)
                del self._tickets[oldest]
            return ticket

    def find(self, ticket: str) -> Order | None:
        with self._lock:
            return self._orders.get(ticket)


@st.cache_resource(show_spinner=False)
def tickets() -> Tickets:
    return Tickets()


def download_url(order: Order) -> str:
    """Where the browser fetches the file."""
    return f"{DOWNLOADS_URL}/{tickets().give(order)}"


def find_download(ticket: str) -> Download | None:
    order = tickets().find(ticket)
    if order is None:
        return None
    return Download(
        file_name=file_name(order.form, order.title),
        media_type=FORMS[order.form].mime,
        parts=lambda: export(services().history, order.owner, order.chosen, order.form),
    )
