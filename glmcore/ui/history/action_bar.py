"""What can be done to the conversations that are ticked, or to all that were found."""

from collections.abc import Callable, Sequence

import streamlit as st

from glmcore.history import ConversationFilter, ListedConversation
from glmcore.history.tags import TAG_CHARS, checked_tag
from glmcore.ui.history import actions, dialogs
from glmcore.ui.history.address import CHOSEN_KEY, DATA, REPLAY, go
from glmcore.ui.history.meant import Meant
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, plural

TICKED, EVERYTHING = "ticked", "everything"


def show_actions(
    shared: Services, ticked: Sequence[ListedConversation], chosen: ConversationFilter, count: int | None
) -> None:
    """Draw them.

    Args:
        ticked: rows of this page.
        chosen: what the filter means; `count` are found by it, where that is known.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="history_actions"):
        meant = _choose_scope(shared, ticked, chosen, count)
        if meant.count == 0:
            st.caption(
                _("Tick some to change them, or take all that were found; a title shows what is inside.")
            )
        elif chosen.shelf == "deleted":
            _draw_for_deleted(shared, meant)
        else:
            _draw_for_kept(shared, meant, ticked)


def _choose_scope(
    shared: Services, ticked: Sequence[ListedConversation], chosen: ConversationFilter, count: int | None
) -> Meant:
    everything = (
        _("All that were found") if count is None else plural("All {count} found", "All {count} found", count)
    )
    names = {TICKED: plural("{count} ticked", "{count} ticked", len(ticked)), EVERYTHING: everything}
    scope = st.segmented_control(
        _("What the actions are for"),
        list(names),
        format_func=names.__getitem__,
        default=TICKED,
        required=True,
        label_visibility="collapsed",
        # Another filter finds others: "all" must be chosen anew.
        key=f"history_scope_{hash(chosen) & 0xFFFFFF}",
    )
    if scope == EVERYTHING:
        counted = shared.history.conversations.count(OWNER, chosen) if count is None else count
        return Meant(chosen, counted)
    ids = tuple(each.conversation.id for each in ticked)
    return Meant(ConversationFilter(shelf=chosen.shelf, ids=ids), len(ids))


def _draw_for_kept(shared: Services, meant: Meant, ticked: Sequence[ListedConversation]) -> None:
    is_pinned = bool(meant.chosen.ids) and all(each.conversation.is_pinned for each in ticked)
    label = _("Unpin") if is_pinned else _("Pin")
    if st.button(label, icon=":material/keep:", key="history_pin"):
        _start(shared, meant, label, lambda ids: actions.pin(shared, ids, not is_pinned))
    if meant.chosen.shelf == "archived":
        if st.button(_("Out of the archive"), icon=":material/unarchive:", key="history_unarchive"):
            _start(shared, meant, _("Out of the archive"), lambda ids: actions.put_on(shared, ids, "open"))
    elif st.button(_("Archive"), icon=":material/archive:", key="history_archive"):
        _start(shared, meant, _("Archive"), lambda ids: actions.put_on(shared, ids, "archived"))
    _offer_tags(shared, meant)
    export = st.popover(_("Export"), icon=":material/download:", key="history_export", on_change="rerun")
    if export.open:
        with export:
            _offer_export(shared, meant)
    for view, name, icon in (
        (DATA, _("Training data"), "dataset"),
        (REPLAY, _("Replay"), "replay"),
    ):
        if st.button(name, icon=f":material/{icon}:", key=f"history_to_{view}"):
            st.session_state[CHOSEN_KEY] = meant.chosen.ids
            go(view, None if meant.chosen.ids else meant.chosen)
    if st.button(_("Delete"), icon=":material/delete:", key="history_delete"):
        _start(shared, meant, _("Delete"), lambda ids: actions.put_on(shared, ids, "deleted"))


def _draw_for_deleted(shared: Services, meant: Meant) -> None:
    if st.button(_("Restore"), icon=":material/restore_from_trash:", key="history_restore"):
        _start(shared, meant, _("Restore"), lambda ids: actions.put_on(shared, ids, "open"))
    if st.button(_("Delete for good"), icon=":material/delete_forever:", key="history_remove"):
        _confirm(
            shared,
            meant,
            _("Delete for good"),
            lambda ids: actions.remove(shared, ids),
            _("With all versions of their messages. This cannot be undone."),
        )


def _start(shared: Services, meant: Meant, label: str, action: Callable[[list[str]], object]) -> None:
    """Do it to what was ticked; ask first when it is for all that were found."""
    if not meant.chosen.ids:
        _confirm(shared, meant, label, action)
        return
    actions.tried(lambda: action(actions.ids_of(shared, meant)))
    st.rerun()


def _confirm(
    shared: Services, meant: Meant, label: str, action: Callable[[list[str]], object], note: str = ""
) -> None:
    ids = actions.ids_of(shared, meant)  # exactly those that are counted here are changed
    sentence = plural(
        "This is for **{count}** conversation.", "This is for **{count}** conversations.", len(ids)
    )
    dialogs.confirm(sentence, label, lambda: action(ids), note)


def _offer_tags(shared: Services, meant: Meant) -> None:
    drawer = st.popover(_("Tags"), icon=":material/sell:", key="history_tag_drawer", on_change="rerun")
    if not drawer.open:
        return
    with drawer:
        known = list(shared.history.tags.counts(OWNER))
        added = st.multiselect(
            _("Add"),
            known,
            accept_new_options=True,
            placeholder=_("choose, or type new ones"),
            key="history_tags_added",
            help=_("At most {count} characters each.", count=TAG_CHARS),
        )
        taken_away = st.multiselect(
            _("Take away"), known, placeholder=_("choose"), key="history_tags_taken_away"
        )
        if st.button(
            _("Apply"), type="primary", disabled=not (added or taken_away), key="history_tags_apply"
        ):
            if actions.tried(lambda: [checked_tag(name) for name in added]):
                _start(
                    shared, meant, _("Apply"), lambda ids: actions.change_tags(shared, ids, added, taken_away)
                )
            else:
                st.rerun()


def _offer_export(shared: Services, meant: Meant) -> None:
    from glmcore.ui.history.exporting import offer_export

    offer_export(shared, meant.chosen, meant.count)
