"""Evaluate: a checkpoint or the base answers the rows of a file, and both are compared row by row."""
