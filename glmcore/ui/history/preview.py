"""A look into one conversation beside the list: facts, tags, its last messages or those before a hit."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import ConversationFilter, Judgement, ListedConversation, StoredMessage
from glmcore.history.branching import branch_into_new, count_branches
from glmcore.ui.history import actions, dialogs
from glmcore.ui.history.address import put_looked_at
from glmcore.ui.history.table import kept_until
from glmcore.ui.history.words import facts_of, judgement_text, marked_title, moment_text
from glmcore.ui.markdown import to_markdown
from glmcore.ui.services import Services
from glmcore.ui.session import CHAT_PAGE, CONVERSATION_PARAM, MESSAGE_PARAM, OWNER
from glmcore.ui.text import _, plural

MESSAGES_SHOWN = 6
MAX_CHARACTERS = 1_200  # of a message; the chat shows all


def show(shared: Services, conversation_id: str, message_id: str | None) -> None:
    """Draw it; a conversation that is gone is said."""
    listed = _find(shared, conversation_id)
    with st.container(border=True, gap="small", key="history_preview"):
        with st.container(horizontal=True, wrap=False, vertical_alignment="top"):
            st.markdown(f"#### {marked_title(listed.conversation)}" if listed else "", width="stretch")
            st.button(
                _("Close"),
                icon=":material/close:",
                type="tertiary",
                key="history_close",
                help=_("Close"),
                on_click=put_looked_at,
                args=(None,),
            )
        if listed is None:
            st.info(_("This conversation is not there any more."), icon=":material/delete:")
            return
        st.caption(_facts(shared, listed))
        if listed.conversation.shelf == "deleted":
            until = kept_until(listed.conversation.deleted_at or 0.0, shared.settings.trash_days)
            st.caption(_("Deleted; kept until: {when}", when=until))
        else:
            _draw_buttons(shared, listed)
            _draw_tags(shared, listed)
        _draw_messages(shared, listed, message_id)


def _find(shared: Services, conversation_id: str) -> ListedConversation | None:
    for shelf in (None, "deleted"):
        chosen = ConversationFilter(shelf=shelf, ids=(conversation_id,))
        if found := shared.history.conversations.page(OWNER, chosen, limit=1):
            return found[0]
    return None


def _facts(shared: Services, listed: ListedConversation) -> str:
    conversation = listed.conversation
    branches = count_branches(shared.history, OWNER, conversation.id)
    parts = [facts_of(listed), _("begun {when}", when=moment_text(conversation.created_at))]
    if branches > 1:
        parts.append(plural("{count} branch", "{count} branches", branches))
    return " · ".join(parts)


def _draw_buttons(shared: Services, listed: ListedConversation) -> None:
    seen = listed.conversation
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            CHAT_PAGE,
            label=_("Go on in the chat"),
            icon=":material/chat:",
            query_params={CONVERSATION_PARAM: seen.id},
        )
        if st.button(_("Rename"), icon=":material/edit:", type="tertiary", key="history_rename"):
            dialogs.rename(shared, seen)
        label = _("Unpin") if seen.is_pinned else _("Pin")
        if st.button(label, icon=":material/keep:", type="tertiary", key="history_pin_one"):
            actions.tried(lambda: shared.history.conversations.pin(OWNER, seen.id, not seen.is_pinned))
            st.rerun()
        if st.button(_("Delete"), icon=":material/delete:", type="tertiary", key="history_delete_one"):
            if actions.tried(lambda: actions.put_on(shared, [seen.id], "deleted")):
                put_looked_at(None)
            st.rerun()


def _draw_tags(shared: Services, listed: ListedConversation) -> None:
    """Each change is stored at once, where the conversation is still as it is drawn here."""
    seen = listed.conversation
    key = f"history_tags_{seen.id}"
    st.session_state[key] = list(listed.tags)

    def store() -> None:
        names = st.session_state[key]
        actions.tried(lambda: shared.history.tags.set(OWNER, seen.id, names, seen_version=seen.version))

    st.multiselect(
        _("Tags"),
        list(dict.fromkeys([*shared.history.tags.counts(OWNER), *listed.tags])),
        accept_new_options=True,
        placeholder=_("add tags"),
        label_visibility="collapsed",
        key=key,
        on_change=store,
    )


def _draw_messages(shared: Services, listed: ListedConversation, message_id: str | None) -> None:
    conversation = listed.conversation
    try:
        path = shared.history.messages.path(OWNER, conversation.id, leaf_id=message_id, limit=MESSAGES_SHOWN)
    except GlmcoreError:  # the message of the address is not there: the end is shown
        path = shared.history.messages.path(OWNER, conversation.id, limit=MESSAGES_SHOWN)
    judged = shared.history.judgements.of(OWNER, [entry.message.id for entry in path])
    for entry in path:
        is_hit = entry.message.id == message_id
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(_message_line(entry.message, judged.get(entry.message.id), is_hit=is_hit))
            if conversation.shelf != "deleted":
                _draw_ways_on(shared, entry.message)
        _draw_text(entry.message)


def _message_line(message: StoredMessage, judgement: Judgement | None, *, is_hit: bool) -> str:
    who = _("Question") if message.role == "user" else _("Answer")
    marks = judgement_text(judgement) if judgement else ""
    found = _("found here") if is_hit else ""
    return " · ".join(part for part in (f"**{who}**", found, marks) if part)


def _draw_text(message: StoredMessage) -> None:
    text = message.content
    if len(text) > MAX_CHARACTERS:
        text = text[:MAX_CHARACTERS] + " …"
    if message.role == "user":
        st.text(text)
    else:
        st.markdown(to_markdown(text))


def _draw_ways_on(shared: Services, message: StoredMessage) -> None:
    st.page_link(
        CHAT_PAGE,
        label=_("Open here"),
        icon=":material/open_in_new:",
        query_params={CONVERSATION_PARAM: message.conversation_id, MESSAGE_PARAM: message.id},
    )
    label, key = _("Branch from here"), f"history_branch_{message.id}"
    if st.button(label, icon=":material/call_split:", type="tertiary", key=key, help=label):
        _branch(shared, message)


def _branch(shared: Services, message: StoredMessage) -> None:
    made = []
    if actions.tried(
        lambda: made.append(branch_into_new(shared.history, OWNER, message.conversation_id, message.id))
    ):
        st.switch_page(CHAT_PAGE, query_params={CONVERSATION_PARAM: made[0].id})
    st.rerun()
