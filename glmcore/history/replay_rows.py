"""Saved answers as questions to another model: a file of rows that a prediction answers and scores.

A row is one answer of the shown branch: its question as `prompt`, what was said before as `history`, the
saved answer as `response`, and beside them where it is from.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from glmcore.core.errors import DataError, StorageError
from glmcore.core.messages import GenerationParams
from glmcore.history.filters import ConversationFilter
from glmcore.history.records import StoredMessage
from glmcore.history.whole import WholeConversation, whole_conversations
from glmcore.storage.database import Database

WhichAnswers = Literal["last", "every"]  # of each conversation
GAP = "\n\n"
AT_ONCE = 5  # conversations in memory: a few answers may be all that is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAnswer:
    """Where a row is from, and what gave the answer."""

    conversation_id: str
    message_id: str
    title: str
    model: str
    adapter: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRows:
    """What was written.

    Attributes:
        params: those that most of the answers were made with; None where none are known.
    """

    num_rows: int
    num_conversations: int
    params: GenerationParams | None


def write_replay_rows(
    database: Database,
    owner: str,
    chosen: ConversationFilter,
    path: Path,
    *,
    which: WhichAnswers,
    most_rows: int,
    most_characters: int,
) -> ReplayRows:
    """Write the first rows of the conversations that are meant.

    Args:
        most_characters: of what was said before a question; the newest is kept.

    Raises:
        DataError: there is no whole answer in them.
        StorageError: the file cannot be written.
    """
    found = (
        (row, message)
        for whole in whole_conversations(database, owner, chosen, at_once=AT_ONCE)
        for row, message in _iter_rows(whole, which, most_characters)
    )
    params: Counter[GenerationParams] = Counter()
    conversation_ids: set[str] = set()
    num_rows = 0
    try:
        with path.open("w", encoding="utf-8") as file:
            for row, message in islice(found, most_rows):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                num_rows += 1
                conversation_ids.add(message.conversation_id)
                params.update([message.facts.params] if message.facts else [])
    except OSError as fault:
        raise StorageError(
            "{path} cannot be written: {fault}; nothing was queued.", path=path, fault=fault.strerror or fault
        ) from fault
    if not num_rows:
        raise DataError("None of these conversations has a whole answer to be given again; choose others.")
    usual = params.most_common(1)
    return ReplayRows(
        num_rows=num_rows,
        num_conversations=len(conversation_ids),
        params=usual[0][0] if usual else None,
    )


def read_saved_answers(path: Path, numbers: Collection[int]) -> dict[int, SavedAnswer]:
    """Where some rows are from, by their numbers from 1; without those that cannot be read (any more)."""
    found: dict[int, SavedAnswer] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number in numbers and (saved := _saved_answer(line)):
                    found[number] = saved
    except OSError:  # deleted with its job
        pass
    return found


def _saved_answer(line: bytes) -> SavedAnswer | None:
    try:
        values = json.loads(line)
        return SavedAnswer(**{field.name: values[field.name] for field in fields(SavedAnswer)})
    except (ValueError, TypeError, KeyError, RecursionError):  # changed by somebody
        return None


def _iter_rows(
    whole: WholeConversation, which: WhichAnswers, most_characters: int
) -> Iterator[tuple[Mapping[str, Any], StoredMessage]]:
    """The rows of a conversation, each with its answer."""
    branch = whole.branch()
    places = [place for place, message in enumerate(branch) if _is_whole_answer(message)]
    for place in places if which == "every" else places[-1:]:
        before = branch[:place]
        said = _said(before, most_characters)
        if not said or said[-1].role != "user":
            continue
        answer, conversation = branch[place], whole.conversation
        facts = answer.facts
        saved = SavedAnswer(
            conversation_id=conversation.id,
            message_id=answer.id,
            title=conversation.title,
            model=facts.model if facts else conversation.model,
            adapter=facts.adapter if facts else conversation.adapter,
        )
        texts = {
            "system": GAP.join(text for text in (conversation.system_prompt, *_system(before)) if text),
            "history": [{"role": each.role, "content": each.content} for each in said[:-1]],
            "prompt": said[-1].content,
            "response": answer.content,
        }
        yield texts | asdict(saved), answer


def _is_whole_answer(message: StoredMessage) -> bool:
    return message.role == "assistant" and message.state == "done" and bool(message.content.strip())


def _system(messages: Sequence[StoredMessage]) -> Iterator[str]:
    """An imported conversation may have its system prompt among its messages."""
    return (message.content for message in messages if message.role == "system")


def _said(messages: Sequence[StoredMessage], most_characters: int) -> Sequence[StoredMessage]:
    """What a model is asked: of questions in a row the last, as the answers of the others failed."""
    kept: list[StoredMessage] = []
    length = 0
    for message in reversed(messages):
        is_unanswered = bool(kept) and message.role == kept[-1].role == "user"
        if is_unanswered or message.role == "system" or not message.content.strip():
            continue
        if kept and (length := length + len(message.content)) > most_characters:
            break
        kept.append(message)
    return kept[::-1]
