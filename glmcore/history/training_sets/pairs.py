"""Pairs of a better and a worse answer to one question: of versions rated differently, and of repairs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from glmcore.core.messages import Message
from glmcore.history.records import Judgement, StoredMessage
from glmcore.history.training_sets.choice import TrainingSetChoice
from glmcore.history.training_sets.rows import Dropped, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePair:
    """What was said up to a question, with repairs where there are any, and two answers to it."""

    conversation_id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


def pairs_of(tree: Tree, choice: TrainingSetChoice, dropped: Counter[Dropped]) -> Iterator[PreferencePair]:
    """The pairs of a conversation; which answers are to be taught makes no difference to them."""
    versions: dict[str, list[StoredMessage]] = {}
    for message in tree.whole.messages:
        is_judged_answer = message.role == "assistant" and message.id in tree.whole.judgements
        parent = tree.parents[message.id]
        if is_judged_answer and message.state != "running" and parent is not None:
            versions.setdefault(parent.id, []).append(message)
    for answers in versions.values():
        texts = list(_texts(answers, tree))
        path = tree.path(tree.parents[answers[0].id], choice.max_chars) if texts else []
        if path is None:
            dropped[Dropped.TOO_LONG] += len(texts)
            continue
        spoken = [Message(each.role, tree.text(each)) for each in path if each.role != "system"]
        for chosen, rejected in texts if spoken else ():
            yield PreferencePair(
                conversation_id=tree.whole.conversation.id,
                prompt=(*tree.system(path), *spoken),
                chosen=chosen,
                rejected=rejected,
            )


def _texts(answers: list[StoredMessage], tree: Tree) -> Iterator[tuple[str, str]]:
    """The better and the worse text of each pair."""
    for answer in answers:
        judgement = tree.judgement(answer)
        better = [each for each in answers if _is_better(tree.judgement(each), judgement)]
        texts = [each.content for each in better if each.content.strip()]
        if judgement.repair is not None:
            texts.append(judgement.repair)
        if answer.content.strip():
            yield from ((text, answer.content) for text in texts if text.strip() != answer.content.strip())


def _is_better(one: Judgement, other: Judgement) -> bool:
    """Whether one was rated higher, by thumbs, or by stars where thumbs do not tell."""
    if one.thumb is not None and other.thumb is not None and one.thumb != other.thumb:
        return one.thumb > other.thumb
    return one.stars is not None and other.stars is not None and one.stars > other.stars
