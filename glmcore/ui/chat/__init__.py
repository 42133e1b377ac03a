"""Sections of the chat page, and what it knows between two runs."""
