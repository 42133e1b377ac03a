"""Which columns of a file hold question, answer, earlier turns or whole conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from glmcore.core.errors import DataError
from glmcore.tuning.job_config.fields import DataConfig

# Usual names, lower case; where a file has several, the first of the list counts.
MESSAGES_NAMES = ("messages", "conversations", "conversation")
PROMPT_NAMES = ("prompt", "instruction", "question", "query", "user", "content", "input", "输入", "问题")
RESPONSE_NAMES = (
    *("response", "output", "answer", "completion", "summary", "target", "assistant"),
    *("输出", "回答", "答案"),
)
HISTORY_NAMES = ("history",)
SYSTEM_NAMES = ("system", "system_prompt")
INSTRUCTION, INPUT = "instruction", "input"  # two halves of one question, in the form of Alpaca


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of a file's columns: `messages`, or `prompt` and `response`."""

    prompt: str | None = None
    prompt_input: str | None = None  # what the prompt is about; comes on a line of its own after it
    response: str | None = None
    history: str | None = None
    messages: str | None = None
    system: str | None = None


def find_columns(names: Sequence[str], data: DataConfig, path: Path) -> Columns:
    """The columns that the job names, the others by their usual names in any case.

    A column of whole conversations goes before question and answer, unless the job names one of these.

    Raises:
        DataError: a named column is not there, or there is nothing to learn from.
    """
    wanted = {
        "prompt_column": data.prompt_column,
        "response_column": data.response_column,
        "history_column": data.history_column,
        "messages_column": data.messages_column,
    }
    for option, name in wanted.items():
        if name is not None and name not in names:
            raise _missing(names, option, name, path)
    system = _usual(names, SYSTEM_NAMES)
    is_single_turn = data.prompt_column or data.response_column
    messages = data.messages_column or (None if is_single_turn else _usual(names, MESSAGES_NAMES))
    if messages:
        return Columns(messages=messages, system=system)
    prompt = data.prompt_column or _usual(_without(names, data.response_column), PROMPT_NAMES)
    response = data.response_column or _usual(_without(names, prompt), RESPONSE_NAMES)
    if prompt is not None and prompt == response:
        raise DataError(
            "{path}: prompt_column and response_column both name {name!r}; name two columns.",
            path=path,
            name=prompt,
        )
    if prompt is None or response is None:
        raise DataError(
            "{path} has the columns {names}; none is known as {missing}. Name it with {option}.",
            path=path,
            names=", ".join(names),
            missing="/".join(PROMPT_NAMES if prompt is None else RESPONSE_NAMES),
            option="prompt_column" if prompt is None else "response_column",
        )
    is_alpaca = data.prompt_column is None and prompt.lower() == INSTRUCTION
    return Columns(
        prompt=prompt,
        prompt_input=_usual(names, (INPUT,)) if is_alpaca else None,
        response=response,
        history=data.history_column or _usual(names, HISTORY_NAMES),
        system=system,
    )


def _without(names: Sequence[str], taken: str | None) -> list[str]:
    return [name for name in names if name != taken]


def _usual(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """The column with the first of the usual names; one written just so before one in other letters."""
    for name in usual:
        if name in names:
            return name
        same = [column for column in names if column.lower() == name]
        if same:
            return same[0]
    return None


def _missing(names: Sequence[str], option: str, name: str, path: Path) -> DataError:
    nearest = get_close_matches(name, names, n=1, cutoff=0.0)
    return DataError(
        "{path} has no column {name!r}, which {option} names; did you mean {nearest!r}? Found: {names}.",
        path=path,
        name=name,
        option=option,
        nearest=nearest[0] if nearest else "",
        names=", ".join(names),
    )
