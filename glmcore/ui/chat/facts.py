"""What is told of an answer in words: how it was made, and how it ended."""

from glmcore.core.messages import AnswerFacts, StopReason
from glmcore.history import StoredMessage
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, plural


def can_continue(message: StoredMessage) -> bool:
    """Whether an answer ended before the model had said everything."""
    cut = (StopReason.LENGTH, StopReason.CANCELLED, StopReason.INTERRUPTED)
    if message.facts is None:
        return message.state == "interrupted"
    return bool(message.content) and message.facts.stop_reason in cut


def facts_line(facts: AnswerFacts) -> str:
    """Model and adapter, engine, tokens, time to first token, speed and why it stopped, in one line."""
    made_by = [facts.model, *([short_name(facts.adapter, facts.model)] if facts.adapter else [])]
    parts = [plain(" + ".join(made_by)), *([plain(facts.engine)] if facts.engine else [])]
    parts.append(plural("{count} token", "{count} tokens", facts.completion_tokens))
    if facts.seconds_to_first_token is not None:
        parts.append(_("first after {seconds:.2f} s", seconds=facts.seconds_to_first_token))
    if facts.tokens_per_second is not None:
        parts.append(_("{speed:.1f} tokens/s", speed=facts.tokens_per_second))
    parts.append(stop_text(facts.stop_reason))
    if facts.turns_left_out:
        parts.append(
            plural("{count} oldest turn left out", "{count} oldest turns left out", facts.turns_left_out)
        )
    return " · ".join(parts)


def stop_text(reason: StopReason) -> str:
    return {
        StopReason.END: _("complete"),
        StopReason.LENGTH: _("cut at the token limit"),
        StopReason.STOP_STRING: _("ended at a stop text"),
        StopReason.CANCELLED: _("stopped"),
        StopReason.INTERRUPTED: _("interrupted"),
        StopReason.ERROR: _("failed"),
    }[reason]
