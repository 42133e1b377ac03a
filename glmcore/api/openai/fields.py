"""What fields of OpenAI's requests have in common: strict types, bounds, parameters that are refused."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
)

from glmcore.core.messages import PARAM_RANGES

MOST_CHARACTERS = 4_000_000  # of one text
EngineName = Literal["transformers", "openvino"]  # ENGINES, as a type
ENGINE_HELP = "which engine is to answer; by default the one that the server chooses for the model"
UNSUPPORTED = "cannot be honoured here; leave it out"

S = TypeVar("S")
T = TypeVar("T")


def unsupported(*neutral: Any) -> Any:
    """A parameter that is taken only with a value that asks for nothing; any other is refused by name."""
    return Field(default=None, description=UNSUPPORTED, json_schema_extra={"enum": [*neutral, None]})


class Strict(BaseModel):
    """A part of a request: of the types that it says, without fields that nobody knows."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _refuse_unsupported(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        field = cls.model_fields[info.field_name]
        if field.description == UNSUPPORTED and isinstance(field.json_schema_extra, dict):
            neutral = field.json_schema_extra["enum"]
            if not isinstance(neutral, list) or value not in neutral:
                raise ValueError(UNSUPPORTED)
        return value


def _text_or_list(value: Any) -> str:
    return "text" if isinstance(value, str) else "list"


# The limit lets pydantic refuse half a character too, which JSON can spell.
Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]
TextOrList = Annotated[Annotated[S, Tag("text")] | Annotated[T, Tag("list")], Discriminator(_text_or_list)]


def bounded(name: str, lowest: float | None = None, **more: Any) -> Any:
    """An optional number in the range of a sampling parameter."""
    low, high = PARAM_RANGES[name]
    return Field(default=None, ge=low if lowest is None else lowest, le=high, **more)
