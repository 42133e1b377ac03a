"""Finding conversations by the words in them, in Chinese and English, in SQLite and PostgreSQL."""
