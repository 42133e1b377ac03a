"""Frozen values everyone shares: errors, settings, messages, translation. Imports nothing else of glmcore."""
