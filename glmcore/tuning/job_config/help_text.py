"""The help of the fields, for the terminal and for comments."""

from collections.abc import Iterator
from dataclasses import Field
from typing import Any

from glmcore.core.i18n import DEFAULT_LANGUAGE, mark, translate
from glmcore.tuning.job_config.fields import SECTIONS, job_fields
from glmcore.tuning.job_config.yaml_text import yaml_text


def format_fields(language: str) -> str:
    """Every field by section, with its default and its help."""
    return "\n".join(_lines(language))


def field_help(entry: Field[Any], language: str = DEFAULT_LANGUAGE) -> str:
    """What a field is for, and what it can be where the help does not say so already."""
    text = translate(entry.metadata["help"], language)
    choices = [str(choice) for choice in entry.metadata["choices"]]
    if all(choice in text for choice in choices):
        return text
    among = translate(mark("one of {choices}"), language).format(choices=", ".join(choices))
    return f"{text} ({among})"


def _lines(language: str) -> Iterator[str]:
    current = ""
    for section, entry in job_fields():
        if section != current:
            yield ("\n" if current else "") + translate(SECTIONS[section], language)
            current = section
        yield f"  {entry.name}={yaml_text(entry.default)}"
        yield f"      {field_help(entry, language)}"
