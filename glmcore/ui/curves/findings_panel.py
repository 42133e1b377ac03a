"""Runs in words: what the rules found, with the steps it rests on, and what the rules are."""

from collections.abc import Sequence

import streamlit as st

from glmcore.curves.findings.finding import Severity
from glmcore.curves.findings.rules import RULES
from glmcore.curves.run import Run
from glmcore.server.curves import CurveServices
from glmcore.ui.markdown import plain
from glmcore.ui.text import _

MAX_RUNS = 12
SIGNS = {
    Severity.PROBLEM: ":red[:material/error:]",
    Severity.WARNING: ":orange[:material/warning:]",
    Severity.INFO: ":blue[:material/info:]",
    Severity.GOOD: ":green[:material/check_circle:]",
}


def show_findings(shared: CurveServices, runs: Sequence[Run]) -> None:
    """One block per run that is drawn."""
    st.subheader(_("In words"))
    for run in runs[:MAX_RUNS]:
        findings = shared.findings(run)
        lines = [
            f"{SIGNS[one.severity]} {plain(_(one.note.template, **one.note.values))}" for one in findings
        ]
        lines += [
            f":gray[:material/report: {plain(_(note.template, **note.values))}]" for note in run.problems
        ]
        if run.status.reason:
            lines.append(f":gray[{plain(run.status.reason)}]")
        title = f"**{plain(run.name)}** :gray[· {plain(run.form)}]"
        nothing = _("Nothing to say yet.")
        st.markdown("  \n".join([title, *(lines or [f":gray[{nothing}]"])]))
    if len(runs) > MAX_RUNS:
        st.caption(_("{count} further runs are not read out here.", count=len(runs) - MAX_RUNS))
    with st.expander(_("How the rules judge"), icon=":material/rule:"):
        for rule in RULES:
            st.markdown(f"**{_(rule.title)}.** {plain(_(rule.explanation))}")
