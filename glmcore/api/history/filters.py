"""Which conversations a request means, as parameters of its address."""

from typing import Annotated

from fastapi import Depends, Query

from glmcore.api.bounds import ID_CHARACTERS
from glmcore.history import ConversationFilter, Shelf
from glmcore.history.filters import Rating
from glmcore.history.search.query import QUERY_CHARS
from glmcore.history.tags import TAG_CHARS

LAST_MOMENT = 1e11  # seconds since 1970
MOST_NAMES, MOST_IDS, MOST_TURNS, MOST_STARS = 20, 100, 1_000_000, 5

Moment = Annotated[float | None, Query(ge=0, le=LAST_MOMENT, allow_inf_nan=False)]
Names = Annotated[list[Annotated[str, Query(max_length=ID_CHARACTERS)]] | None, Query(max_length=MOST_NAMES)]
Turns = Annotated[int | None, Query(ge=0, le=MOST_TURNS)]


def chosen(
    q: Annotated[str, Query(max_length=QUERY_CHARS, description="Words to search for.")] = "",
    shelf: Annotated[Shelf | None, Query(description="Open and archived ones where none is named.")] = None,
    pinned: bool | None = None,
    since: Moment = None,
    until: Moment = None,
    model: Names = None,
    adapter: Annotated[Names, Query(description="An empty one stands for none.")] = None,
    tag: Annotated[
        list[Annotated[str, Query(max_length=TAG_CHARS)]] | None, Query(max_length=MOST_NAMES)
    ] = None,
    rating: Annotated[list[Rating] | None, Query(max_length=MOST_NAMES)] = None,
    min_stars: Annotated[int | None, Query(ge=1, le=MOST_STARS)] = None,
    min_turns: Turns = None,
    max_turns: Turns = None,
    id: Annotated[
        list[Annotated[str, Query(max_length=ID_CHARACTERS)]] | None, Query(max_length=MOST_IDS)
    ] = None,
) -> ConversationFilter:
    """The filter of the pages; what is left out asks nothing. Moments are seconds since 1970."""
    return ConversationFilter(
        shelf=shelf,
        is_pinned=pinned,
        since=since,
        until=until,
        models=tuple(model or ()),
        adapters=tuple(adapter or ()),
        tags=tuple(tag or ()),
        ratings=tuple(rating or ()),
        min_stars=min_stars,
        min_turns=min_turns,
        max_turns=max_turns,
        ids=tuple(id or ()),
        words=q,
    )


Chosen = Annotated[ConversationFilter, Depends(chosen)]
