"""Carrying conversations over: exports in five forms, imports of five, with a preview and no duplicates.

`read_import` reads a file and stores nothing; `carry_out` stores what it read.
"""

from glmcore.history.carry.exporting import export, file_name
from glmcore.history.carry.files import MAX_BYTES
from glmcore.history.carry.forms import FORMS, IMPORT_FORMS, Form
from glmcore.history.carry.reading import ImportPreview, ImportProblem, read_import
from glmcore.history.carry.writing import ImportReport, carry_out

__all__ = [
    "FORMS",
    "IMPORT_FORMS",
    "MAX_BYTES",
    "Form",
    "ImportPreview",
    "ImportProblem",
    "ImportReport",
    "carry_out",
    "export",
    "file_name",
    "read_import",
]
