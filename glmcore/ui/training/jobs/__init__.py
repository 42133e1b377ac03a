"""The jobs of a server: the table of all, and one with its curves, log, checkpoints and what came of it."""
