"""The controls that export conversations: in which form, how much it will be, and the button."""

import streamlit as st

from glmcore.core.i18n import mark
from glmcore.history import ConversationFilter
from glmcore.history.amount import amount
from glmcore.history.carry import FORMS
from glmcore.ui.history.downloads import Order, download_url
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, plural
from glmcore.ui.training.jobs.words import size_text

PURPOSES = {
    "json": mark("All versions of answers, tags, judgements, parameters; for a copy, or another dashboard."),
    "markdown": mark("To print, or to put into a document. The shown versions only."),
    "csv": mark("For a spreadsheet. All versions of answers, one row each."),
    "sharegpt": mark("For training programs that want it so. The shown versions only."),
    "openai": mark("For fine-tuning, here and elsewhere. The shown versions only."),
}


def offer_export(shared: Services, chosen: ConversationFilter, count: int, prefix: str = "export") -> None:
    """Draw the controls for the conversations that are meant.

    Args:
        count: how many they are.
        prefix: of the keys, where the controls stand on a page more than once.
    """
    if not count:
        st.caption(_("There is no conversation to export."))
        return
    form: str = st.radio(
        _("Form of the file"),
        list(FORMS),
        key=f"{prefix}_form",
        format_func=lambda key: _(FORMS[key].label),
        captions=[_(PURPOSES[key]) for key in FORMS],
        persist_state="session",
    )
    found = amount(shared.history.database, OWNER, chosen)
    st.caption(
        plural(
            "{count} conversation with {messages} messages, about {size} of text.",
            "{count} conversations with {messages} messages, about {size} of text.",
            count,
            messages=f"{found.num_messages:,}",
            size=size_text(found.num_bytes),
        )
    )
    st.link_button(
        _("Download"),
        download_url(Order(OWNER, chosen, form, _title(shared, chosen) if count == 1 else "")),
        key=f"{prefix}_download",
        icon=":material/download:",
        type="primary",
        help=_("The file is written while your browser fetches it, so it may be as large as it likes."),
    )


def _title(shared: Services, chosen: ConversationFilter) -> str:
    found = shared.history.conversations.page(OWNER, chosen, limit=1)
    return found[0].conversation.title if found else ""
