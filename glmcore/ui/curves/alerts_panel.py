"""Alerts: what fired, on this page and the first one, and the rules that watch live runs."""

import time
from dataclasses import replace

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.curves.alerts.rules import THRESHOLDS, AlertAction, AlertRule
from glmcore.curves.alerts.watch import AlertBook, FiredAlert
from glmcore.ui.markdown import plain
from glmcore.ui.session import CURVES_PAGE
from glmcore.ui.text import _, error_text

SHOWN_SECONDS = 7 * 24 * 3600.0  # an alert that nobody put aside
LOOK_SECONDS = 5.0


@st.fragment(run_every=LOOK_SECONDS)
def show_fired(book: AlertBook, *, most: int, links: bool) -> None:
    """The alerts of the last days that nobody put aside; with a way to the run's curves."""
    now = time.time()
    fired = [one for one in book.fired() if not one.is_dismissed and now - one.at < SHOWN_SECONDS]
    for alert in fired[:most]:
        said, beside = st.columns([6, 1], vertical_alignment="center")
        with said:
            _show_one(alert)
        with beside:
            if links:
                st.page_link(
                    CURVES_PAGE,
                    label=_("Curves"),
                    icon=":material/monitoring:",
                    query_params={"run": alert.run_id},
                )
            if st.button(_("Put aside"), key=f"dismiss_{alert.run_id}_{alert.kind}", type="tertiary"):
                try:
                    book.dismiss(alert.run_id, alert.kind)
                except GlmcoreError as error:
                    st.error(error_text(error), icon=":material/error:")
                else:
                    st.rerun()
    if len(fired) > most:
        st.caption(_("{count} more", count=len(fired) - most))


def show_rules(book: AlertBook) -> None:
    """Switches, thresholds and what a rule may ask of a run."""
    st.caption(_("The server looks at the live runs of the jobs folder every few seconds."))
    actions = {
        AlertAction.NONE: _("only say it"),
        AlertAction.SAVE: _("ask the run for a checkpoint"),
        AlertAction.STOP: _("ask the run to save and stop"),
    }
    chosen: list[AlertRule] = []
    with st.form("alert_rules", border=False):
        for rule in book.rules():
            with st.container(horizontal=True, vertical_alignment="bottom"):
                known = THRESHOLDS[rule.kind]
                is_on = st.toggle(_(known.title), rule.is_on, key=f"rule_on_{rule.kind}", width=180)
                threshold = st.number_input(
                    _("From"),
                    known.least,
                    known.most,
                    rule.threshold,
                    key=f"rule_at_{rule.kind}",
                    help=_(known.help),
                    width=160,
                )
                action = st.selectbox(
                    _("Then"),
                    list(actions),
                    index=list(actions).index(rule.action),
                    format_func=lambda one: actions[one],
                    key=f"rule_do_{rule.kind}",
                    width=260,
                )
                chosen.append(replace(rule, is_on=is_on, threshold=threshold, action=action))
        is_saved = st.form_submit_button(_("Save the rules"), icon=":material/save:")
    if is_saved:
        try:
            book.set_rules(chosen)
        except GlmcoreError as error:
            st.error(error_text(error), icon=":material/error:")
        else:
            st.toast(_("The rules are kept."))


def _show_one(alert: FiredAlert) -> None:
    when = time.strftime("%m-%d %H:%M", time.localtime(alert.at))
    said = plain(_(alert.note.template, **alert.note.values))
    asked = {
        AlertAction.NONE: "",
        AlertAction.SAVE: _("The run was asked for a checkpoint."),
        AlertAction.STOP: _("The run was asked to save and stop."),
    }[alert.action]
    text = f"**{plain(alert.run_name)}** · {when} · {said} {asked}"
    if alert.is_active:
        st.warning(text, icon=":material/notification_important:", width="stretch")
    else:
        st.info(text, icon=":material/history:", width="stretch")
