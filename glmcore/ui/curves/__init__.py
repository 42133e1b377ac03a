"""The curves page: what is looked at, charts, the table of runs, findings, comparisons, notes, export, alerts."""
