"""The same question to two models, side by side: a base and what was tuned on it, or two adapters."""
