"""What endpoints about jobs, curves and conversations bound and document alike: ids, texts, pages, errors."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator

from glmcore.api.errors import STATUS, UNAVAILABLE, ErrorBody
from glmcore.curves.views.names import encodable

LARGEST_PAGE, MOST_SKIPPED = 200, 1_000_000
ID_CHARACTERS = 200

# From a log or a file's name, where half characters are shown as what they are. A text of a request needs a
# limit of its length, which lets pydantic refuse such halves: they can be neither stored nor sent back.
ToldText = Annotated[str, AfterValidator(encodable)]

Id = Annotated[str, Path(max_length=ID_CHARACTERS)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many to give at most.")]
Offset = Annotated[int, Query(ge=0, le=MOST_SKIPPED, description="How many to pass over first.")]

TOO_LARGE, NOT_UNDERSTOOD = 413, 422
# What each of these endpoints may answer instead.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody}
    for status in sorted({status for _kind, status in STATUS} | {TOO_LARGE, NOT_UNDERSTOOD, UNAVAILABLE})
}


def streams(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """The document of an endpoint that answers with a stream of one of these types."""
    return {200: {"description": "A stream.", "content": {name: {"schema": {}} for name in media_types}}}
