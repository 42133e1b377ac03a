"""The tables as they are now. Migrations make them; a test holds the two equal."""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, MetaData, Table

from glmcore.core.messages import AnswerFacts, GenerationParams
from glmcore.storage.columns import JsonOf, SafeText

metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("id", SafeText, primary_key=True),
    Column("owner", SafeText, nullable=False),
    Column("title", SafeText, nullable=False),
    Column("model", SafeText, nullable=False),
    Column("leaf_id", SafeText),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("params", JsonOf(GenerationParams)),
    Column("system_prompt", SafeText, nullable=False),
    Index("conversations_by_time", "owner", "updated_at", "id"),
)

# `sequence` is the order of creation, which times cannot tell when a clock is set back. `depth` is 1 for a
# first question, so that the length of a branch needs no walk. `parent_id` is checked when it is written and
# is no foreign key: a deletion cascading along a branch would go deeper than SQLite allows (1,000 levels).
# The long columns are last: SQLite then reads the short ones without touching the pages of a long text.
messages = Table(
    "messages",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("id", SafeText, nullable=False, unique=True),
    Column("owner", SafeText, nullable=False),
    Column("conversation_id", SafeText, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", SafeText),
    Column("depth", Integer, nullable=False),
    Column("role", SafeText, nullable=False),
    Column("state", SafeText, nullable=False),
    Column("server_id", SafeText),  # who writes it, while it is running
    Column("created_at", Double, nullable=False),
    Column("saved_at", Double, nullable=False),
    Column("facts", JsonOf(AnswerFacts)),
    Column("content", SafeText, nullable=False),
    Index("messages_by_parent", "conversation_id", "parent_id"),
    Index("messages_by_state", "state"),
)

presets = Table(
    "presets",
    metadata,
    Column("owner", SafeText, primary_key=True),
    Column("name", SafeText, primary_key=True),
    Column("params", JsonOf(GenerationParams), nullable=False),
    Column("system_prompt", SafeText, nullable=False),
)
