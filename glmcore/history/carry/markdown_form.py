"""Markdown to be read: the shown branch under headings; what people and models wrote stays harmless."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from glmcore.core.messages import Role
from glmcore.history.records import Judgement, StoredMessage
from glmcore.history.whole import WholeConversation

_SPEAKERS: dict[Role, str] = {"user": "User", "assistant": "Assistant", "system": "System"}
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_FENCE_SIGNS = re.compile(r"`{3,}|~{3,}")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_HEADING = re.compile(r"( {0,3})(#{1,6})(?=\s|$)")
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def write(found: Iterable[WholeConversation]) -> Iterator[str]:
    for whole in found:
        told = whole.conversation
        yield f"# {_plain(told.title) or 'Untitled'}\n\n"
        about = [_plain(told.model), _time(told.created_at), *(_plain(f"#{tag}") for tag in whole.tags)]
        yield " · ".join(about) + "\n\n"
        if told.system_prompt:
            yield f"## System\n\n{harmless(told.system_prompt)}\n\n"
        for message in whole.branch():
            yield _section(message, whole.judgements.get(message.id))


def _section(message: StoredMessage, judgement: Judgement | None) -> str:
    by = f" ({_plain(message.facts.model)})" if message.facts else ""
    text = f"## {_SPEAKERS[message.role]}{by}\n\n{harmless(message.content)}\n\n"
    if judgement is None:
        return text
    thumb = {1: "👍", -1: "👎"}.get(judgement.thumb or 0, "")
    parts = [thumb, "★" * (judgement.stars or 0), _plain(judgement.reason or "")]
    told = " ".join(part for part in parts if part)
    text += f"Judged: {told}\n\n" if told else ""
    text += f"### Comment\n\n{harmless(judgement.comment)}\n\n" if judgement.comment else ""
    return text + (f"### Ideal answer\n\n{harmless(judgement.repair)}\n\n" if judgement.repair else "")


def harmless(text: str) -> str:
    """Markdown with its tags and pictures shown as they are written, and its headings below ours.

    Code is left as it is, so it must be certain what is code: fences begin at the margin, and what looks
    like one elsewhere is none.
    """
    lines = []
    fence = ""
    for line in text.splitlines():
        found = _FENCE.fullmatch(line)
        if fence:
            is_end = found is not None and found[1].startswith(fence) and not found[2].strip()
            lines.append(fence if is_end else line)
            fence = "" if is_end else fence
        elif found is not None and not (found[1][0] == "`" and "`" in found[2]):
            fence = found[1]
            lines.append(fence + _TAG.sub("&lt;", found[2]))
        else:
            line = _FENCE_SIGNS.sub(lambda signs: "".join(f"\\{sign}" for sign in signs[0]), line)
            line = _TAG.sub("&lt;", line).replace("![", "!\\[")
            lines.append(_HEADING.sub(lambda signs: f"{signs[1]}{('##' + signs[2])[:6]}", line))
    return "\n".join([*lines, fence] if fence else lines)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
