"""From a user's data file to rows that can be learnt: read, understood, counted. Knows no model.

`rows` reads files, `columns` finds what is question and answer, `conversations` makes messages of a row,
`near_duplicates` and `lengths` say what is worth knowing about the whole.
"""
