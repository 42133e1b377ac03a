"""A chat that came over HTTP, made a conversation of its user's: what was said before, and its answers.

A client sends the whole conversation with every question, so each request makes one of its own.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

from sqlalchemy import Connection

from glmcore.chat.running_answer import AnswerSink
from glmcore.core.messages import ChatRequest
from glmcore.history import Conversation, HistoryStore
from glmcore.history.carry.nodes import Told, conversation_of, in_a_row
from glmcore.history.schema import conversations, messages
from glmcore.history.search.index import SearchText, add_texts
from glmcore.history.whole import WholeConversation
from glmcore.server.stored_answer import StoredAnswer


def keep_chat(history: HistoryStore, requests: Sequence[ChatRequest]) -> list[tuple[str, AnswerSink]]:
    """Store what was said, and a place for each answer; they are versions of each other.

    Raises:
        StorageError: the database refused.
    """
    request = requests[0]
    whole = _conversation_of(request)
    conversation = whole.conversation
    if conversation.leaf_id is None:  # only blanks were said, and what has no question has no answer
        return []
    with history.database.writing() as connection:
        _insert(connection, whole)
    kept: list[tuple[str, AnswerSink]] = []
    for _request in requests:
        answer = history.messages.start_answer(request.user, conversation.id, conversation.leaf_id)
        kept.append((answer.id, StoredAnswer(history, request.user, answer.id)))
    return kept


def _conversation_of(request: ChatRequest) -> WholeConversation:
    said = list(request.messages)
    prompts: list[str] = []
    while said and said[0].role == "system":
        prompts.append(said.pop(0).content)
    if said and said[-1].role == "assistant":  # the answer goes on with it
        said.pop()
    nodes = in_a_row((each.role, each.content, None) for each in said)
    whole = conversation_of(nodes, Told(model=request.model, system_prompt="\n\n".join(prompts)))
    conversation = replace(
        whole.conversation,
        owner=request.user,
        params=request.params,
        adapter=request.adapter,
        leaf_depth=len(whole.messages),
    )
    return replace(whole, conversation=conversation)


def _insert(connection: Connection, whole: WholeConversation) -> None:
    told = whole.conversation
    row = {field.name: getattr(told, field.name) for field in fields(Conversation)}
    connection.execute(conversations.insert().values(row | {"is_pinned": int(told.is_pinned)}))
    rows = [
        {field.name: getattr(each, field.name) for field in fields(each)}
        | {"owner": told.owner, "depth": depth, "saved_at": each.created_at}
        for depth, each in enumerate(whole.messages, start=1)
    ]
    connection.execute(messages.insert(), rows)
    texts = [SearchText(told.owner, told.id, each.id, each.content) for each in whole.messages]
    add_texts(connection, [SearchText(told.owner, told.id, None, told.title), *texts])
