"""The tables as they are now. Migrations make them; a test holds the two equal."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, MetaData, Table, text

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
    Column("adapter", SafeText),  # of the latest answer
    Column("version", Integer, nullable=False, server_default=text("0")),
    Column("leaf_depth", Integer, nullable=False, server_default=text("0")),
    Column("shelf", SafeText, nullable=False, server_default="open"),
    Column("is_pinned", Integer, nullable=False, server_default=text("0")),
    Column("deleted_at", Double),
    Column("fingerprint", SafeText),  # of an imported one: what it said then
    Column("imported_at", Double),
    Index("conversations_by_shelf", "owner", "shelf", "is_pinned", "updated_at", "id"),
    Index("conversations_by_fingerprint", "owner", "fingerprint"),
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

tags = Table(
    "conversation_tags",
    metadata,
    Column("conversation_id", SafeText, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", SafeText, primary_key=True),
    Column("owner", SafeText, nullable=False),
    Index("conversations_by_tag", "owner", "tag"),
)

# What people think of an answer, and the answer as it should have been.
judgements = Table(
    "judgements",
    metadata,
    Column("message_id", SafeText, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("conversation_id", SafeText, nullable=False),
    Column("owner", SafeText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("thumb", Integer),  # 1 up, -1 down
    Column("stars", Integer),  # 1 to 5
    Column("reason", SafeText),
    Column("judged_at", Double, nullable=False),
    Column("comment", SafeText),
    Column("repair", SafeText),
    Index("judgements_by_conversation", "owner", "conversation_id"),
)

# What was answered in each hour (counted from 1970 in UTC); it outlives the conversations.
usage = Table(
    "usage_hours",
    metadata,
    Column("owner", SafeText, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("model", SafeText, primary_key=True),
    Column("adapter", SafeText, primary_key=True),  # empty: none
    Column("conversations", Integer, nullable=False),  # that had no answer in this hour before
    Column("answers", Integer, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
)

# Titles (without a message) and messages that can be found, long ones in several passages. Their words are in
# `search_words`, which `history.search.matching` knows: it is of another kind in each database.
search_entries = Table(
    "search_entries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("owner", SafeText, nullable=False),
    Column("conversation_id", SafeText, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", SafeText),
    Column("start", Integer, nullable=False),  # the character of the text where a passage begins
    Index("search_entries_by_text", "conversation_id", "message_id"),
)

presets = Table(
    "presets",
    metadata,
    Column("owner", SafeText, primary_key=True),
    Column("name", SafeText, primary_key=True),
    Column("params", JsonOf(GenerationParams), nullable=False),
    Column("system_prompt", SafeText, nullable=False),
)
