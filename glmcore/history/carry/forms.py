"""The forms that can be written and read, by their names."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from glmcore.core.i18n import mark
from glmcore.history.carry import (
    chatgpt_form,
    csv_form,
    markdown_form,
    open_webui_form,
    openai_form,
    our_form,
    sharegpt_form,
)
from glmcore.history.carry.fields import Fields
from glmcore.history.whole import WholeConversation


@dataclass(frozen=True, slots=True)
class Form:
    """How an export is written.

    Attributes:
        label: a text of the catalogue.
        suffix: of the file, with its dot.
    """

    label: str
    suffix: str
    mime: str
    write: Callable[[Iterable[WholeConversation]], Iterator[str]]


FORMS: Mapping[str, Form] = {
    "json": Form(mark("JSON: everything, to import again"), ".json", "application/json", our_form.write),
    "markdown": Form(mark("Markdown: to read"), ".md", "text/markdown", markdown_form.write),
    "csv": Form(mark("CSV: a table of messages"), ".csv", "text/csv", csv_form.write),
    "sharegpt": Form(
        mark("ShareGPT: JSON lines of turns"), ".jsonl", "application/jsonl", sharegpt_form.write
    ),
    "openai": Form(mark("OpenAI: JSON lines of messages"), ".jsonl", "application/jsonl", openai_form.write),
}
# What an import may be, by the names that `ImportPreview.form` has; texts of the catalogue.
IMPORT_FORMS: Mapping[str, str] = {
    "json": mark("this program's JSON"),
    "sharegpt": mark("ShareGPT"),
    "openai": mark("OpenAI messages"),
    "chatgpt": mark("ChatGPT's export"),
    "openwebui": mark("Open WebUI's export"),
}
READERS: Mapping[str, Callable[[Fields], WholeConversation]] = {
    "json": our_form.read,
    "chatgpt": chatgpt_form.read,
    "openwebui": open_webui_form.read,
    "sharegpt": sharegpt_form.read,
    "openai": openai_form.read,
}


def form_of(values: Fields) -> str | None:
    """The form of a conversation of another program, by the members it has."""
    if chatgpt_form.is_one(values):
        return "chatgpt"
    if open_webui_form.is_one(values):
        return "openwebui"
    if sharegpt_form.is_one(values):
        return "sharegpt"
    return "openai" if openai_form.is_one(values) else None
