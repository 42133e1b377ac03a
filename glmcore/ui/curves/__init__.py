"""The curves page: what is chosen, charts, table of runs, findings, comparison, notes, export, alerts."""
