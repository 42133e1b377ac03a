"""What people think of answers: thumb, stars, reason, comment, and the answer as it should have been."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, select

from glmcore.core.errors import ConflictError, DataError, NotFoundError
from glmcore.core.i18n import mark
from glmcore.history.conversations import batches
from glmcore.history.records import Judgement
from glmcore.history.schema import conversations, judgements, messages
from glmcore.storage.database import Database

REASONS_UP: Mapping[str, str] = {
    "correct": mark("Correct"),
    "clear": mark("Clear and well written"),
    "complete": mark("Complete"),
    "as_asked": mark("Does what was asked"),
    "well_formatted": mark("Well formatted"),
    "right_tone": mark("Right tone and length"),
}
REASONS_DOWN: Mapping[str, str] = {
    "wrong_facts": mark("Wrong facts"),
    "not_as_asked": mark("Did not follow the instruction"),
    "incomplete": mark("Incomplete"),
    "too_long": mark("Too long or repeats itself"),
    "wrong_language": mark("Wrong language"),
    "badly_formatted": mark("Badly formatted"),
    "refused": mark("Refused without need"),
}
REASONS: Mapping[str, str] = {**REASONS_UP, **REASONS_DOWN}
UP, DOWN = 1, -1
MOST_STARS = 5
COMMENT_CHARS = 2_000
REPAIR_CHARS = 200_000

_COLUMNS = [judgements.c[field.name] for field in fields(Judgement)]


class JudgementStore:
    """Every method finds the owner's answers only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, owner: str, message_id: str) -> Judgement:
        """What is thought of an answer; of version 0 and empty when nothing is."""
        return self.of(owner, [message_id]).get(message_id, Judgement(message_id=message_id))

    def of(self, owner: str, message_ids: Sequence[str]) -> dict[str, Judgement]:
        """The judgements of those answers that have one."""
        query = select(*_COLUMNS).where(judgements.c.owner == owner)
        found = {}
        with self._database.reading() as connection:
            for some in batches(message_ids):
                for row in connection.execute(query.where(judgements.c.message_id.in_(some))):
                    found[row.message_id] = Judgement(**row._mapping)
        return found

    def judge(self, owner: str, judgement: Judgement) -> Judgement:
        """Store all values of a judgement in place of those seen; one without any values is removed.

        Raises:
            DataError: a value cannot be taken, or the message is no answer.
            ConflictError: the answer was judged since `judgement.version` was seen.
            NotFoundError: there is no such message.
        """
        with self._database.writing() as connection:
            conversation_id, answer = _answer(connection, owner, judgement.message_id)
            wanted = checked(judgement, answer)
            here = judgements.c.owner == owner, judgements.c.message_id == judgement.message_id
            stored = connection.execute(select(judgements.c.version).where(*here)).scalar_one_or_none()
            if judgement.version != (stored or 0):
                raise ConflictError(
                    "This answer was judged in another window meanwhile; nothing was stored. Look at what "
                    "was said of it, then judge it again."
                )
            connection.execute(judgements.delete().where(*here))
            if is_blank(wanted):
                return Judgement(message_id=judgement.message_id)
            values = {field.name: getattr(wanted, field.name) for field in fields(Judgement)}
            values |= {"owner": owner, "conversation_id": conversation_id, "judged_at": time.time()}
            # The first version is random: nobody shall take a new judgement for a removed one that he saw.
            values["version"] = stored + 1 if stored else secrets.randbelow(1 << 30) + 1
            insertion = judgements.insert().values(values).returning(*_COLUMNS)
            return Judgement(**connection.execute(insertion).one()._mapping)


def checked(judgement: Judgement, answer: str) -> Judgement:
    """The judgement as it is kept: blank texts, and a repair that changes nothing, are none.

    Raises:
        DataError: a value is not one of those that there are, or a text is too long.
    """
    _check_one_of("thumb", judgement.thumb, (DOWN, UP))
    _check_one_of("stars", judgement.stars, range(1, MOST_STARS + 1))
    reasons = {None: REASONS, UP: REASONS_UP, DOWN: REASONS_DOWN}[judgement.thumb]
    _check_one_of("reason", judgement.reason, tuple(reasons))
    comment = (judgement.comment or "").strip()
    _check_length("comment", comment, COMMENT_CHARS)
    repair = judgement.repair or ""
    _check_length("repair", repair, REPAIR_CHARS)
    changes = repair.strip() not in ("", answer.strip())
    return replace(judgement, comment=comment or None, repair=repair if changes else None)


def is_blank(judgement: Judgement) -> bool:
    """Whether it says nothing at all."""
    said = judgement.thumb, judgement.stars, judgement.reason, judgement.comment, judgement.repair
    return all(value is None for value in said)


def is_down(judgement: Judgement) -> bool:
    """Whether the answer was judged to be a bad one; a reason says so too, where no thumb does."""
    return judgement.thumb == DOWN or (judgement.thumb is None and judgement.reason in REASONS_DOWN)


def _answer(connection: Connection, owner: str, message_id: str) -> tuple[str, str]:
    """The conversation and the text of an answer."""
    query = (
        select(messages.c.conversation_id, messages.c.role, messages.c.content)
        .join_from(messages, conversations, messages.c.conversation_id == conversations.c.id)
        .where(messages.c.owner == owner, messages.c.id == message_id, conversations.c.shelf != "deleted")
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            "There is no answer {id!r} of yours (any more); open the conversation again.", id=message_id
        )
    if row.role != "assistant":
        raise DataError("Only answers can be judged, and this message is a question; judge its answer.")
    return row.conversation_id, row.content


def _check_one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Refuse what is not allowed; True and 1.0 equal 1, but are none."""
    if value is not None and (isinstance(value, (bool, float)) or value not in allowed):
        raise DataError(
            "{name} of a judgement is {value!r}; expected one of {allowed}, or nothing.",
            name=name,
            value=value if isinstance(value, (bool, int, float)) else str(value)[:40],
            allowed=", ".join(map(str, allowed)),
        )


def _check_length(name: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise DataError(
            "{name} of a judgement has {count:,} characters; expected at most {limit:,}. Shorten it.",
            name=name,
            count=len(text),
            limit=limit,
        )
