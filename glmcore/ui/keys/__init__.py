"""The page of the HTTP API: its addresses, examples that can be copied, and the keys that open it."""
