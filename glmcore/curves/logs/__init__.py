"""From files to points: which runs a folder holds, what was appended, and a parser per form of log."""
