"""With what a conversation goes on: its own model and adapter, or others where those have gone."""

from dataclasses import dataclass

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import Conversation
from glmcore.models.adapters.folders import find_adapter
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.text import _


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """What answers next, unless something else is picked; and what answered before and has gone."""

    model: str
    adapter: str | None = None
    gone_model: str | None = None
    gone_adapter: str | None = None


def usable(shared: Services, conversation: Conversation | None, adapter: str | None) -> Usable:
    """With what the conversation can go on; `adapter` is that of its latest answer."""
    settings = shared.settings
    if conversation is None:
        return Usable(model=settings.model)
    try:
        shared.models.find(conversation.model)
    except GlmcoreError:
        if conversation.model != settings.model:
            return Usable(model=settings.model, gone_model=conversation.model)
    if adapter is not None:
        try:
            find_adapter(adapter, settings)
        except GlmcoreError:
            return Usable(model=conversation.model, gone_adapter=adapter)
    return Usable(model=conversation.model, adapter=adapter)


def show_gone(last: Usable, model: str, adapter: str | None) -> None:
    """Say what answered before and has gone, and what answers from here on."""
    if last.gone_model is not None:
        st.warning(
            _(
                "The model {gone} answered here before and is not here any more; "
                "{model} answers from here on.",
                gone=plain(last.gone_model),
                model=plain(model),
            ),
            icon=":material/warning:",
        )
    elif last.gone_adapter is not None and adapter is None:
        st.warning(
            _(
                "The adapter {gone} answered here before and is not here any more; {model} answers without "
                "an adapter from here on.",
                gone=plain(short_name(last.gone_adapter, model)),
                model=plain(model),
            ),
            icon=":material/warning:",
        )
