"""Draws an answer while it is being made.

Only reads: the answer belongs to the registry, so a rerun, a refresh or a closed tab ends this drawing and
nothing else. What is sent stays proportional to the answer: finished Markdown blocks are sent once, and the
block that still grows is sent less often the longer it is.
"""

import time
from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from glmcore.chat.residents import LoadState
from glmcore.chat.running_answer import RunningAnswer, Snapshot
from glmcore.ui.markdown import finished_length, to_markdown
from glmcore.ui.text import _, plural

MIN_INTERVAL_SECONDS = 0.08  # about what the eye follows; more only costs the browser
OPEN_BLOCK_CHARACTERS_PER_SECOND = 12_000  # bound on what re-sending the growing block may cost
IDLE_SECONDS = 0.25  # how often the waiting line moves


def draw_until_done(answer: RunningAnswer, load_state: Callable[[], LoadState | None]) -> None:
    """Draw the answer as it grows and return when it has ended; `load_state` is its model's.

    Nothing drawn may shrink the page on the way: a browser stops following what grows when that happens.
    """
    block, begin, shown = st.empty(), 0, 0  # what is waited for stands where the text will
    while True:
        now = answer.wait(seen=shown, timeout=IDLE_SECONDS)
        if len(now.text) > shown:
            shown = len(now.text)
            growing = now.text[begin:]
            if cut := finished_length(growing):
                finished, block = block, st.empty()
                block.markdown(to_markdown(growing[cut:]))  # before the other one gets shorter
                finished.markdown(to_markdown(growing[:cut]))
                begin += cut
            else:
                block.markdown(to_markdown(growing))
            if now.facts is None:
                cost = (len(growing) - cut) / OPEN_BLOCK_CHARACTERS_PER_SECOND
                time.sleep(max(MIN_INTERVAL_SECONDS, cost))
        elif now.facts is not None:
            return
        elif not shown:
            _show_waiting(block, answer, now, load_state())


def _show_waiting(
    place: DeltaGenerator, answer: RunningAnswer, now: Snapshot, load: LoadState | None
) -> None:
    """Say what is waited for; also the point where a rerun or a closed tab can end this drawing."""
    if now.requests_ahead:
        what = plural(
            "{count} answer is served before yours",
            "{count} answers are served before yours",
            now.requests_ahead,
        )
    elif now.is_reading_prompt:
        what = _("Reading the conversation")
    elif load is not None and load.stage:
        place.progress(load.fraction or 0.0, _(load.stage))
        return
    else:
        what = _("Waiting for the model")
    place.caption(f":shimmer[{what}] · {time.time() - answer.started_at:.0f} s")
