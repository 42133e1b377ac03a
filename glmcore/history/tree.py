"""Queries over the tree of messages: upwards along a branch, downwards to its latest leaf.

A branch is walked by a recursive query over ids alone, so that its cost is the part asked for and not the
conversation. Each step must also go up (or down) in a number, or a cycle in a damaged file would never end.
"""

from sqlalchemy import CTE, CompoundSelect, ScalarSelect, Select, literal, select

from glmcore.history.schema import messages


def branch_upwards(
    owner: str, leaf_id: str | ScalarSelect[str | None], limit: int | None, *, lowest_depth: int = 1
) -> CTE:
    """Ids and parents of the last `limit` messages of the branch that ends at the leaf, down to a depth."""
    branch = (
        select(messages.c.id, messages.c.parent_id, messages.c.depth, literal(1).label("place"))
        .where(messages.c.owner == owner, messages.c.id == leaf_id)
        .cte("branch", recursive=True)
    )
    parent = messages.alias("parent")
    step = select(parent.c.id, parent.c.parent_id, parent.c.depth, branch.c.place + 1).where(
        parent.c.owner == owner, parent.c.id == branch.c.parent_id, parent.c.depth < branch.c.depth
    )
    if limit is not None:
        step = step.where(branch.c.place < limit)
    if lowest_depth > 1:
        step = step.where(parent.c.depth >= lowest_depth)
    return branch.union_all(step)


def siblings_along(owner: str, conversation_id: str, branch: CTE) -> CompoundSelect[str, str | None, int]:
    """Id and parent of every version of every message of the branch, in the order of their creation.

    The versions of the first question are always among them; a NULL parent cannot be found by IN.
    """
    version = select(messages.c.id, messages.c.parent_id, messages.c.sequence).where(
        messages.c.owner == owner, messages.c.conversation_id == conversation_id
    )
    first = version.where(messages.c.parent_id.is_(None))
    # IN and not a join: for a join SQLite would read the whole conversation to match it with the branch.
    later = version.where(messages.c.parent_id.in_(select(branch.c.parent_id)))
    return first.union_all(later).order_by("sequence")


def children_below(owner: str, conversation_id: str, message_id: str, levels: int) -> Select[str, str | None]:
    """Id and parent of everything at most so many levels below the message, in the order of creation."""
    below = (
        select(messages.c.id, messages.c.parent_id, messages.c.sequence, literal(0).label("level"))
        .where(messages.c.owner == owner, messages.c.id == message_id)
        .cte("below", recursive=True)
    )
    child = messages.alias("child")
    below = below.union_all(
        select(child.c.id, child.c.parent_id, child.c.sequence, below.c.level + 1).where(
            child.c.owner == owner,
            child.c.conversation_id == conversation_id,
            child.c.parent_id == below.c.id,
            child.c.sequence > below.c.sequence,
            below.c.level < levels,
        )
    )
    return select(below.c.id, below.c.parent_id).where(below.c.level > 0).order_by(below.c.sequence)


def latest_leaf(owner: str, conversation_id: str, message_id: str) -> Select[str, int]:
    """The youngest message at or under the given one; nothing was made after it, so it has no children."""
    below = (
        select(messages.c.id, messages.c.sequence, messages.c.depth)
        .where(messages.c.owner == owner, messages.c.id == message_id)
        .cte("below", recursive=True)
    )
    child = messages.alias("child")
    below = below.union_all(
        select(child.c.id, child.c.sequence, child.c.depth).where(
            child.c.owner == owner,
            child.c.conversation_id == conversation_id,
            child.c.parent_id == below.c.id,
            child.c.sequence > below.c.sequence,
        )
    )
    return select(below.c.id, below.c.depth).order_by(below.c.sequence.desc()).limit(1)
