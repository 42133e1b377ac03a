"""The endpoints of conversations."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from glmcore.api.bounds import ERRORS, ID_CHARACTERS, Id, Limit, Offset, streams
from glmcore.api.callers import HistoryCaller
from glmcore.api.downloads import Download, begun_parts, download_headers
from glmcore.api.history.filters import Chosen
from glmcore.api.history.models import ConversationDetail, ConversationPage, detail_of, found_of, info_of
from glmcore.api.shared import Shared
from glmcore.history import ConversationFilter
from glmcore.history.carry import FORMS, export, file_name
from glmcore.history.conversations import no_conversation
from glmcore.history.listing import Order
from glmcore.server.stored_answer import end_answers

MOST_MESSAGES = 500

ExportForm = Literal["json", "markdown", "csv", "sharegpt", "openai"]
MEDIA_TYPES = sorted({form.mime for form in FORMS.values()})

router = APIRouter(prefix="/api/conversations", tags=["conversations"], responses=ERRORS)


@router.get("")
def list_conversations(
    shared: Shared,
    caller: HistoryCaller,
    chosen: Chosen,
    order: Order = "recent",
    limit: Limit = 50,
    offset: Offset = 0,
) -> ConversationPage:
    """The conversations that are meant. Where words are searched, the best come first, whatever the order."""
    history = shared.history
    if chosen.words.strip():
        page = history.search.find(caller.user, chosen, limit=limit, offset=offset)
        return ConversationPage(
            conversations=[found_of(hit) for hit in page.hits],
            total=page.total,
            is_total_exact=page.is_total_exact,
        )
    listed = history.conversations.page(caller.user, chosen, order=order, limit=limit, offset=offset)
    total = history.conversations.count(caller.user, chosen)
    return ConversationPage(conversations=[info_of(each) for each in listed], total=total)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses=streams(*MEDIA_TYPES),
)
async def export_conversations(
    shared: Shared, caller: HistoryCaller, chosen: Chosen, form: ExportForm = "json"
) -> StreamingResponse:
    """The conversations that are meant, whole, as a file that is written while it is fetched.

    `json` has everything and can be imported again; `csv` all messages as a table; `markdown`, `sharegpt` and
    `openai` the shown branch of each.
    """
    file = Download(
        file_name=file_name(form),
        media_type=FORMS[form].mime,
        parts=lambda: export(shared.history, caller.user, chosen, form),
    )
    parts = await run_in_threadpool(
        begun_parts, file
    )  # what is wrong with the request is said before the answer
    return StreamingResponse(parts, media_type=file.media_type, headers=download_headers(file.file_name))


@router.get("/{conversation_id}")
def get_conversation(
    shared: Shared,
    caller: HistoryCaller,
    conversation_id: Id,
    limit: Annotated[int, Query(ge=1, le=MOST_MESSAGES)] = 100,
    until: Annotated[str | None, Query(max_length=ID_CHARACTERS)] = None,
) -> ConversationDetail:
    """A conversation with the last messages of its shown branch, or of the branch that ends at `until`."""
    user, history = caller.user, shared.history
    one = ConversationFilter(shelf=None, ids=(conversation_id,))
    listed = history.conversations.page(user, one, limit=1)
    if not listed:
        raise no_conversation(conversation_id)
    path = history.messages.path(user, conversation_id, leaf_id=until, limit=limit)
    length = history.messages.path_length(user, conversation_id, until)
    return detail_of(listed[0], path, max(0, length - len(path)))


@router.delete("/{conversation_id}", status_code=204)
def delete_conversation(shared: Shared, caller: HistoryCaller, conversation_id: Id) -> None:
    """Put a conversation into the trash, from where a page brings it back; an answer in it ends."""
    end_answers(shared.history, shared.answers, caller.user, [conversation_id])
    shared.history.conversations.delete(caller.user, conversation_id)
