"""From a conversation to the rows that teach its wanted answers, and no others.

Whoever trains on a row learns every answer in it. So a row ends with a wanted answer and has only wanted ones
as answers; where an unwanted one came before, all that was said up to the next question becomes part of that
question, written out as a transcript. An answer that a later one of the same row follows needs no row of its
own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from glmcore.core.i18n import mark
from glmcore.core.messages import Message, StopReason
from glmcore.history.judgements import UP, is_down
from glmcore.history.records import Judgement, StoredMessage
from glmcore.history.training_sets.choice import TrainingSetChoice
from glmcore.history.whole import WholeConversation

ENDED_BY_ITSELF = (StopReason.END, StopReason.STOP_STRING)
GAP = "\n\n"
SPEAKERS = {"user": "User", "assistant": "Assistant"}  # in a transcript, which is data and not translated


class Dropped(StrEnum):
    """Why an answer, a row or a pair is not in the set."""

    JUDGED_DOWN = "judged_down"
    NOT_CHOSEN = "not_chosen"
    UNFINISHED = "unfinished"
    EMPTY = "empty"
    DUPLICATE = "duplicate"
    TOO_LONG = "too_long"
    KEPT_FOR_TEST = "kept_for_test"


WHY_DROPPED: Mapping[Dropped, str] = {
    Dropped.JUDGED_DOWN: mark("answers judged bad, without a repair to teach"),
    Dropped.NOT_CHOSEN: mark("answers of no kind that was chosen"),
    Dropped.UNFINISHED: mark("answers that were cut off"),
    Dropped.EMPTY: mark("answers without text, or without a question"),
    Dropped.DUPLICATE: mark("rows that are there already, but for capitals and blanks"),
    Dropped.TOO_LONG: mark("rows longer than the limit"),
    Dropped.KEPT_FOR_TEST: mark("preference pairs of conversations that are kept for the test"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """A conversation to learn from: perhaps a system prompt, then question and answer in turn."""

    conversation_id: str
    messages: tuple[Message, ...]

    @property
    def num_answers(self) -> int:
        return sum(message.role == "assistant" for message in self.messages)

    @property
    def num_chars(self) -> int:
        return sum(len(message.content) for message in self.messages)


@dataclass(slots=True)
class Tree:
    """A conversation's messages with their places; only earlier ones are parents, so no walk is endless."""

    whole: WholeConversation
    parents: dict[str, StoredMessage | None] = field(default_factory=dict)
    answers_before: dict[str, str | None] = field(default_factory=dict)  # the id of the nearest with text

    def __post_init__(self) -> None:
        seen: dict[str | None, StoredMessage] = {}
        for message in self.whole.messages:
            parent = seen.get(message.parent_id)
            self.parents[message.id] = parent
            if parent is not None and parent.role == "assistant" and self.text(parent).strip():
                self.answers_before[message.id] = parent.id
            else:
                self.answers_before[message.id] = self.answers_before[parent.id] if parent else None
            seen[message.id] = message

    def judgement(self, message: StoredMessage) -> Judgement:
        return self.whole.judgements.get(message.id) or Judgement(message_id=message.id)

    def text(self, message: StoredMessage) -> str:
        """What should have been said: the repair, where there is one."""
        return self.judgement(message).repair or message.content

    def path(self, message: StoredMessage | None, max_chars: int) -> list[StoredMessage] | None:
        """The messages with text from the first one to this one; None when they are too long."""
        found: list[StoredMessage] = []
        chars = 0
        while message is not None:
            text = self.text(message)
            chars += len(text)
            if chars > max_chars:
                return None
            if text.strip():
                found.append(message)
            message = self.parents[message.id]
        return found[::-1]

    def system(self, path: list[StoredMessage]) -> list[Message]:
        """The system prompt, where there is one; an imported conversation may have it among its messages."""
        texts = [self.whole.conversation.system_prompt]
        texts += [message.content for message in path if message.role == "system"]
        joined = GAP.join(text for text in texts if text.strip())
        return [Message("system", joined)] if joined else []


def rows_of(tree: Tree, choice: TrainingSetChoice, dropped: Counter[Dropped]) -> Iterator[TrainingRow]:
    """The rows of a conversation; what is left out is counted."""
    wanted: dict[str, StoredMessage] = {}
    for message in tree.whole.messages:
        if message.role == "assistant":
            reason = _why_not(message, tree, choice)
            if reason is None:
                wanted[message.id] = message
            else:
                dropped[reason] += 1
    followed = {tree.answers_before[each] for each in wanted}
    for answer in wanted.values():
        if answer.id in followed:
            continue
        row = _row(answer, tree, wanted, choice.max_chars)
        if isinstance(row, Dropped):
            dropped[row] += 1
        else:
            yield row


def _why_not(answer: StoredMessage, tree: Tree, choice: TrainingSetChoice) -> Dropped | None:
    """Why an answer is not to be taught; None when it is."""
    judgement, kinds = tree.judgement(answer), choice.kinds
    if answer.state == "running":
        return Dropped.UNFINISHED
    if not tree.text(answer).strip():
        return Dropped.EMPTY
    if judgement.repair is not None and "repaired" in kinds:
        return None
    if is_down(judgement):
        return Dropped.JUDGED_DOWN
    if "up" in kinds and judgement.thumb == UP:
        return None
    if "stars" in kinds and (judgement.stars or 0) >= choice.min_stars:
        return None
    is_unrated = judgement.thumb is None and judgement.stars is None and judgement.repair is None
    if "unrated" not in kinds or not is_unrated:
        return Dropped.NOT_CHOSEN
    return None if _is_complete(answer) else Dropped.UNFINISHED


def _is_complete(answer: StoredMessage) -> bool:
    """Whether it came to its own end; an imported answer, of which nothing is known, passes for that."""
    return answer.state == "done" and (answer.facts is None or answer.facts.stop_reason in ENDED_BY_ITSELF)


def _row(
    answer: StoredMessage, tree: Tree, wanted: Mapping[str, StoredMessage], max_chars: int
) -> TrainingRow | Dropped:
    path = tree.path(answer, max_chars)
    if path is None:
        return Dropped.TOO_LONG
    spoken = [message for message in path if message.role != "system"]
    unwanted = [n for n, each in enumerate(spoken) if each.role == "assistant" and each.id not in wanted]
    turns = [Message(each.role, tree.text(each)) for each in spoken]
    if unwanted:
        turns = _told_until(turns, unwanted[-1])
    first = next((n for n, turn in enumerate(turns) if turn.role == "user"), None)
    if first is None:  # a greeting
        return Dropped.EMPTY
    row = TrainingRow(
        conversation_id=tree.whole.conversation.id, messages=(*tree.system(path), *turns[first:])
    )
    return Dropped.TOO_LONG if row.num_chars > max_chars else row


def _told_until(turns: list[Message], last_unwanted: int) -> list[Message]:
    """The turns up to the answer after the unwanted one as one question, the others as they are."""
    answer = next(n for n, turn in enumerate(turns) if n > last_unwanted and turn.role == "assistant")
    told = GAP.join(f"{SPEAKERS[turn.role]}: {turn.content}" for turn in turns[:answer])
    return [Message("user", told), *turns[answer:]]
