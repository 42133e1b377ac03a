"""The address of a comparison: what is compared, and the two conversations, so that a reload finds them."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NoReturn

import streamlit as st

from glmcore.ui.adapter_picker import listed_model, what_to_load
from glmcore.ui.compare.sides import name_in_address
from glmcore.ui.services import services
from glmcore.ui.session import COMPARE_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """/compare?model=…&adapter=…&base=…&tuned=…, each of which may be missing or anything.

    Attributes:
        left, adapter: names of `sides`, of the left and the right column; an empty one is the base.
        base, tuned: conversations of the left and the right column.
    """

    model: str | None = None
    left: str | None = None
    adapter: str | None = None
    base: str | None = None
    tuned: str | None = None

    def swapped(self) -> "Address":
        return replace(
            self, left=self.adapter or "", adapter=self.left or "", base=self.tuned, tuned=self.base
        )


def read_address() -> Address:
    return Address(**{field.name: st.query_params.get(field.name) for field in fields(Address)})


def put_address(address: Address) -> None:
    """Put it into the address of this page."""
    st.query_params.from_dict(_values(address))


def open_compare(model: str, adapter: str) -> NoReturn:
    """Go to the page with a base model and what was tuned on it.

    Args:
        adapter: its name, or the path of a checkpoint.

    Raises:
        NotFoundError: the checkpoint is not there any more, or not finished.
    """
    settings, name = services().settings, adapter
    if Path(adapter).is_absolute():
        _model, found = what_to_load(settings, model, Path(adapter))
        name = found or name_in_address(Path(adapter))
    address = Address(model=listed_model(settings, model), adapter=name)
    st.switch_page(COMPARE_PAGE, query_params=_values(address))


def _values(address: Address) -> dict[str, str]:
    named = {field.name: getattr(address, field.name) for field in fields(address)}
    return {name: value for name, value in named.items() if value is not None}
