"""A table with a row for each message, of all branches, that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from glmcore.history.records import Judgement, StoredMessage
from glmcore.history.whole import WholeConversation

COLUMNS = (
    *("conversation", "title", "model", "tags"),
    *("message", "parent", "is_shown", "role", "state", "created_at", "content"),
    *("thumb", "stars", "reason", "comment", "repair"),
)
CSV_MARK = "\ufeff"  # by it spreadsheets know UTF-8
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write(found: Iterable[WholeConversation]) -> Iterator[str]:
    yield CSV_MARK + _lines([COLUMNS])
    for whole in found:
        shown = {message.id for message in whole.branch()}
        yield _lines(
            _row(whole, message, int(message.id in shown), whole.judgements.get(message.id))
            for message in whole.messages
        )


def _row(
    whole: WholeConversation, message: StoredMessage, is_shown: int, judgement: Judgement | None
) -> list[Any]:
    told = whole.conversation
    judged = judgement or Judgement(message_id=message.id)
    at = datetime.fromtimestamp(message.created_at, UTC).isoformat(timespec="seconds")
    return [
        *(told.id, _cell(told.title), _cell(told.model), _cell(" ".join(whole.tags))),
        *(message.id, message.parent_id, is_shown, message.role, message.state, at, _cell(message.content)),
        *(judged.thumb, judged.stars, judged.reason, _cell(judged.comment), _cell(judged.repair)),
    ]


def _cell(text: str | None) -> str | None:
    return f"'{text}" if text and text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _lines(rows: Iterable[Any]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)  # only with its own line ends a lone \r in a text is quoted
    return written.getvalue()
