"""The history page: conversations found again, carried over, made into data, replayed, counted."""
